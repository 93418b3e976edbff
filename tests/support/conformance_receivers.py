"""The reference receiver, and receivers that are each wrong in one way: what the kit must find."""

import importlib.util
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from services.chassis.settings import ROOT

FILE = ROOT / "deploy" / "receiver" / "receiver.py"


def fresh_module() -> Any:
    """The receiver's file as a module of its own, to be spoilt."""
    spec = importlib.util.spec_from_file_location("vidare_receiver_under_test", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def serving(module: Any, keys: Any) -> Iterator[str]:
    """The receiver of *module* on a free port; gives the address of one agency."""
    server = module.Receiver("127.0.0.1", 0, keys, module.Inbox(":memory:"), {})
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/agencies/hotline-nl"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def believes_every_signature(module: Any) -> None:
    """It never holds a signature against anything."""
    module._holds = lambda *_: True


def tries_every_scheme(module: Any) -> None:
    """It does not look at the name of the scheme."""
    holds = module._holds
    module._holds = lambda keys, given, signed: any(
        holds(keys, f"{name},{given.partition(',')[2]}", signed) for name in ("v1", "v1a")
    )


def takes_the_first_signature_only(module: Any) -> None:
    """It looks at the first of several signatures."""
    verify = module.verify

    def first(keys: Any, headers: dict[str, str], body: bytes, now: float) -> UUID:
        named = headers.get("webhook-signature", "").split(" ")[:1]
        found: UUID = verify(keys, headers | ({"webhook-signature": named[0]} if named[0] else {}), body, now)
        return found

    module.verify = first


def has_no_cap(module: Any) -> None:
    """It goes through a list of any length."""
    module.MOST_SIGNATURES = 10_000


def never_looks_at_the_time(module: Any) -> None:
    """It takes a call of any age."""
    module.TOLERANCE_S = 10**9


def believes_the_future(module: Any) -> None:
    """It refuses old calls only."""
    module.abs = lambda seconds: max(seconds, 0)


def needs_no_timestamp(module: Any) -> None:
    """It takes a call that says no time, unsigned."""
    verify = module.verify

    def lax(keys: Any, headers: dict[str, str], body: bytes, now: float) -> UUID:
        if "webhook-timestamp" not in headers:
            return UUID(headers["webhook-id"])
        found: UUID = verify(keys, headers, body, now)
        return found

    module.verify = lax


def knows_ids_before_signatures(module: Any) -> None:
    """It answers a known id before it looks at anything else."""
    seen: dict[str, UUID] = {}
    verify = module.verify

    def known_first(keys: Any, headers: dict[str, str], body: bytes, now: float) -> UUID:
        name = headers.get("webhook-id", "") + str(hash(body))
        if name not in seen:
            seen[name] = verify(keys, headers, body, now)
        return seen[name]

    module.verify = known_first


def doubles(module: Any) -> None:
    """Every attempt is a new case."""
    numbers = itertools.count(1)
    take = module.Inbox.take

    def another(self: Any, agency: str, referral: UUID, body: bytes) -> str:
        take(self, agency, referral, body)
        return f"CASE-{next(numbers)}"

    module.Inbox.take = another


def looks_before_it_inserts(module: Any) -> None:
    """Two at once are both the first: it asks whether the id is known, works, and then writes."""
    numbers = itertools.count(1)
    cases: dict[UUID, tuple[str, bytes]] = {}

    def racing(_self: Any, _agency: str, referral: UUID, body: bytes) -> str:
        found = cases.get(referral)
        if found is None:
            time.sleep(0.3)
            cases[referral] = found = (f"CASE-{next(numbers)}", body)
        if found[1] != body:
            raise module.Refused(409, "another body")
        return found[0]

    module.Inbox.take = racing


def overwrites(module: Any) -> None:
    """The last body of an id stands."""
    numbers: dict[UUID, int] = {}
    module.Inbox.take = lambda _self, _agency, referral, _body: f"CASE-{numbers.setdefault(referral, len(numbers))}"


def _looks_into(module: Any, refuses: Callable[[dict[str, Any], dict[str, Any]], bool]) -> None:
    take = module.Inbox.take
    seen: dict[str, Any] = {}

    def strict(self: Any, agency: str, referral: UUID, body: bytes) -> Any:
        document = json.loads(body)
        if refuses(document, seen):
            raise module.Refused(422, "not a document that we take")
        seen[document["referral_id"]] = document
        return take(self, agency, referral, body)

    module.Inbox.take = strict


def refuses_unknown_fields(module: Any) -> None:
    """It validates with a closed schema."""
    _looks_into(module, lambda document, _seen: "field_of_tomorrow" in document)


def knows_new_only(module: Any) -> None:
    """It takes the action new."""
    _looks_into(module, lambda document, _seen: document["action"] != "new")


def needs_what_is_replaced(module: Any) -> None:
    """It refuses an update of a referral that it does not have."""
    _looks_into(module, lambda document, seen: document["replaces"] is not None and document["replaces"] not in seen)


def refuses_gaps(module: Any) -> None:
    """It wants its feed in order."""
    last = itertools.count(1)

    def gap(document: dict[str, Any], _seen: dict[str, Any]) -> bool:
        return document.get("feed") is not None and document["feed"]["number"] != next(last)

    _looks_into(module, gap)


def says_nothing_of_its_feed(module: Any) -> None:
    """It does not follow the feed."""
    module.Inbox.follow = lambda *_: {}


def counts_skipped_as_missing(module: Any) -> None:
    """It does not read ``feed.skipped``."""
    follow = module.Inbox.follow
    module.Inbox.follow = lambda self, agency, link, body: follow(self, agency, link._replace(skipped=()), body)


def has_a_small_limit(module: Any) -> None:
    """It takes bodies up to 64 KiB."""
    module.LARGEST_BYTES = 64 * 1024


def reads_once(module: Any) -> None:
    """It takes what has come so far for the whole body."""
    module.Handler._body = lambda self: self.rfile.read1(module.LARGEST_BYTES)


def looks_at_the_case_of_headers(module: Any) -> None:
    """It looks up names as they are written in the specification."""
    do_post = module.Handler.do_POST

    def exact(self: Any) -> None:
        for name in list(self.headers):
            if name != name.lower() and name.lower().startswith("webhook-"):
                del self.headers[name]
        do_post(self)

    module.Handler.do_POST = exact


def answers_before_it_has_read(module: Any) -> None:
    """It refuses by the headers alone, leaves the body on the connection and keeps it."""
    do_post = module.Handler.do_POST

    def early(self: Any) -> None:
        given = self.headers.get("webhook-signature", "")
        if int(self.headers["content-length"]) == 4096 and given:
            self._answer(401, {})
        else:
            do_post(self)

    module.Handler.do_POST = early


def fails_on_what_it_refuses(module: Any) -> None:
    """A bad call ends in a 500."""
    refused = module.Refused.__init__
    module.Refused.__init__ = lambda self, status, why: refused(self, 500 if status == 401 else status, why)


def acknowledges_without_a_number(module: Any) -> None:
    """Its receipt has no case number."""
    answer = module.Handler._answer

    def numberless(self: Any, status: int, body: dict[str, object], headers: Any = None) -> None:
        body.pop("reference", None)
        answer(self, status, body, headers)

    module.Handler._answer = numberless


def says_nothing(module: Any) -> None:
    """It answers 202 and nothing more: right, for receipts may come another way."""
    answer = module.Handler._answer

    def silent(self: Any, status: int, _body: dict[str, object], headers: Any = None) -> None:
        answer(self, 202 if status == 200 else status, {}, headers)

    module.Handler._answer = silent


def redirects(module: Any) -> None:
    """It has moved."""
    answer = module.Handler._answer

    def moved(self: Any, status: int, _body: dict[str, object], headers: Any = None) -> None:
        answer(self, 308 if status == 200 else status, {}, {"location": "http://127.0.0.1:1/"} | (headers or {}))

    module.Handler._answer = moved
