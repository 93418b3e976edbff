"""
All hops of the mesh at once on the broker in memory: submissions in at one end, everything that was written out of it.

Real decisions, real recorders, real files, the real webhook channel against a listener on loopback; only the broker
is the twin. Topics are those of the contract and no others: a hop that writes to a stranger fails here.
"""

import io
import logging
import mmap
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import structlog
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from contracts import topics
from services.chassis.broker.memory import MemoryBroker
from services.chassis.hop import Hop, Record
from services.chassis.onboarding import load_agencies, load_partners
from services.chassis.running.memory_run import Fed, MemoryRun
from services.chassis.settings import ROOT, Settings
from services.chassis.telemetry.localtraces import HEADER, NO_TRACE, LocalSpan, _local, _payload, _service, segments
from services.chassis.telemetry.logs import configure
from services.chassis.telemetry.recording import hop_recorder
from services.chassis.telemetry.spans import SpanRecorder
from services.geolocate.geodata import Geodata
from services.geolocate.hop import GeolocateHop
from services.intake.groupkey import group_key
from services.intake.hop import IntakeHop
from services.notifier.answering.intake import ReceiptsHop
from services.notifier.channels.guard import public_or_loopback
from services.notifier.channels.webhook import WebhookEffects
from services.notifier.hop import NotifierHop
from services.notifier.onboarded import Onboarded
from services.router.geography.world import load_world
from services.router.hop import RouterHop
from services.router.rules.books import Books
from tests.support.notifier_listener import Answer, listening, says

PARTITIONS = 2
NAMES = ("intake", "geolocate", "router", "notifier", "receipts")
DEMO_PORT = ":8190/"
ACCEPTS = says(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
SECRET = "invented-secret-of-the-demo-set"
MOST_ROUNDS = 20
"""Hops answer each other (outcomes, new versions); a chain that is still at it after so many rounds never ends."""


@dataclass
class Chain:
    """Hops at work on one broker in memory; feed it, settle it, look at what there is."""

    home: Path
    settings: Settings
    books: Books
    """The rulebook that the router decides by."""
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    runs: list[MemoryRun] = field(default_factory=list)
    recorders: dict[str, SpanRecorder] = field(default_factory=dict)
    posted: list[bytes] = field(default_factory=list)
    """Requests that the agencies' webhooks got, head and body."""
    _log: io.StringIO = field(default_factory=io.StringIO)

    async def send(self, submissions: Iterable[Mapping[str, Any] | bytes], *, partner: str = "ecpat-se") -> None:
        """Put submissions into the partner's inbox, as its own client would: no key, no headers."""
        inbox = topics.inbox(partner)
        await self.feed(*(Fed(inbox, one if isinstance(one, bytes) else orjson.dumps(one)) for one in submissions))

    async def feed(self, *records: Fed) -> None:
        """Put records into any topic and wait until nothing follows from them any more."""
        await self.runs[0].feed(*records)
        await self.settle()

    async def settle(self) -> None:
        """
        Wait until every hop is done with what all the others wrote.

        Raises:
            AssertionError: They go on for ever.
        """
        for _ in range(MOST_ROUNDS):
            before = self._written()
            for run in self.runs:
                await run.settle()
            if self._written() == before:
                break
        else:
            raise AssertionError("the hops never come to an end")
        for recorder in self.recorders.values():
            assert recorder.flush(), "spans could not be written"

    def _written(self) -> int:
        return sum(log.end for topic in self.broker.topics for log in self.broker.logs(topic))

    def records(self, topic: str) -> list[Record]:
        """Records of *topic* (consumed ones are gone from the inboxes)."""
        return self.broker.records(topic)

    def json(self, topic: str) -> list[dict[str, Any]]:
        """Bodies of the records of *topic*."""
        return [orjson.loads(record.value or b"null") for record in self.records(topic)]

    def all_records(self) -> Iterator[Record]:
        """Records of all topics."""
        for topic in self.broker.topics:
            yield from self.records(topic)

    def logs(self) -> bytes:
        """Every log line of every hop, from ``debug`` up."""
        return self._log.getvalue().encode()

    def metrics(self) -> dict[str, bytes]:
        """What each hop's ``/metrics`` answers."""
        return {name: recorder.metrics.render() for name, recorder in self.recorders.items()}

    def span_bytes(self) -> Iterator[tuple[str, bytes]]:
        """(segment, bytes) of everything that was kept of spans."""
        for path in segments(self.home / "traces"):
            yield path.name, path.read_bytes()

    def spans(self) -> list[LocalSpan]:
        """Every span of every hop."""
        return [span for path in segments(self.home / "traces") for span in _spans_in(path)]

    def traces(self) -> dict[str, list[LocalSpan]]:
        """Spans by trace id."""
        found: dict[str, list[LocalSpan]] = {}
        for span in self.spans():
            found.setdefault(span.trace_id, []).append(span)
        return found


@asynccontextmanager
async def chain(home: Path, *, answer: Answer = ACCEPTS) -> AsyncIterator[Chain]:
    """Start all hops; *answer* is what the webhook of every agency does."""
    async with AsyncExitStack() as stack:
        port, posted = await stack.enter_async_context(listening(answer))
        settings = settings_of(home, port)
        made = Chain(home, settings, Books(load_world(settings)), posted=posted)
        stack.callback(_log_again, made._log)
        for topic in topics.all_topics(load_partners(made.settings), load_agencies(made.settings).records, PARTITIONS):
            made.broker.create(topic.name, topic.partitions)
        for hop in _hops(made, stack):
            run = MemoryRun(hop, broker=made.broker, recorder=made.recorders[hop.name])
            made.runs.append(await stack.enter_async_context(run))
        yield made


def settings_of(home: Path, port: int) -> Settings:
    """Settings of a mesh in *home* whose agencies' webhooks are on *port*."""
    home.mkdir(parents=True, exist_ok=True)
    agencies = home / "agencies.toml"
    shipped = ROOT / "services" / "router" / "agencies.toml"
    agencies.write_text(shipped.read_text().replace(DEMO_PORT, f":{port}/"))
    return Settings(
        home=home, agencies=agencies, partitions=PARTITIONS, test_networks="on", allow_loopback="on",
        group_key="an-invented-group-key", otlp=None, log_level="debug",
    )  # fmt: skip


def _hops(made: Chain, stack: AsyncExitStack) -> list[Hop]:
    settings = made.settings
    configure("chain", settings.log_level, stream=made._log)
    for name in NAMES:
        made.recorders[name] = hop_recorder(settings, name, f"{name}-0")
        stack.callback(made.recorders[name].close)
    partners, agencies = load_partners(settings), Onboarded.of(load_agencies(settings))
    geodata = Geodata.of(settings)
    webhooks = WebhookEffects(
        agencies, lambda _: SECRET, may=public_or_loopback, observe=made.recorders["notifier"].attempted
    )
    stack.push_async_callback(webhooks.close)
    return [
        IntakeHop(partners, group_key(settings)),
        GeolocateHop(lambda: geodata.current, partners, partitions=PARTITIONS),
        RouterHop(made.books, PARTITIONS),
        NotifierHop(agencies, partitions=PARTITIONS, proofs="http://127.0.0.1:8105", effects=webhooks),
        ReceiptsHop(agencies.records),
    ]


def _log_again(stream: io.StringIO) -> None:
    """Give logging back as it was: the stream ends with the chain."""
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in [each for each in root.handlers if getattr(each, "stream", None) is stream]:
        root.removeHandler(handler)


def _spans_in(path: Path) -> Iterator[LocalSpan]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
        service, at = _service(held), 0
        while (payload := _payload(held, at)) is not None:
            _, trace, length, _ = HEADER.unpack_from(held, at)
            if trace != NO_TRACE:
                yield _local(Span.FromString(payload), service)
            at += HEADER.size + length


def orphans(spans: Sequence[LocalSpan]) -> list[LocalSpan]:
    """Spans that name a parent which is not among *spans*."""
    known = {span.span_id for span in spans}
    return [span for span in spans if span.parent_id is not None and span.parent_id not in known]


def roots(spans: Sequence[LocalSpan]) -> list[LocalSpan]:
    """Spans without a parent."""
    return [span for span in spans if span.parent_id is None]
