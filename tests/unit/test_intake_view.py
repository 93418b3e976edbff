"""What a sender is shown of its tips, and the small parts of the door."""

import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from services.chassis.errors import Misconfigured
from services.chassis.hop import Record
from services.chassis.settings import Settings
from services.intake.batch import lines_of
from services.intake.bearer import Bearer
from services.intake.groupkey import group_key
from services.intake.idempotency import Idempotency
from services.intake.problems import Problem
from services.intake.view import StatusView
from tests.support.intake import PARTNERS, PUBLIC, VETTED

TIP = "5f0c8a52-9a44-5d0e-b6a1-3d4c5e1f2a70"
OTHER = "6f0c8a52-9a44-5d0e-b6a1-3d4c5e1f2a70"


def told(offset: int, word: str, *, tip: str | None = TIP, partner: str = "ecpat-se", **more: Any) -> Record:
    """A record of a status topic."""
    body = {"schema": "tip-status/1", "status": word, "tip_id": tip, "at": f"2026-11-22T12:00:0{offset}Z"} | more
    return Record(f"tips-status-{partner}", 0, offset, b"E-1", orjson.dumps(body), (), 0)


def state(*records: Record) -> dict[str, Any]:
    """State of the tip after *records*."""
    view = StatusView()
    view.apply(records)
    found = view.state("ecpat-se", UUID(TIP))
    view.close()
    assert found is not None
    return found


def test_a_tip_goes_as_far_as_its_furthest_status() -> None:
    """The state is the furthest word; each kind of destination has its own."""
    found = state(
        told(0, "accepted", reference="E-1", revision=1, priority="P2"),
        told(1, "routed", destinations=["hotline", "police"]),
        told(2, "delivered", destination="police"),
        told(3, "acknowledged", destination="police"),
        told(4, "delivered", destination="hotline"),
    )
    assert (found["state"], found["revision"], found["priority"], found["references"]) == (
        "acknowledged",
        1,
        "P2",
        ["E-1"],
    )
    assert [(row["destination"], row["state"]) for row in found["destinations"]] == [
        ("hotline", "delivered"),
        ("police", "acknowledged"),
    ]
    assert len(found["history"]) == 5


def test_an_outcome_and_a_refusal_are_shown() -> None:
    """What came of it stands at the destination; a refused reuse of the reference stands beside the tip."""
    refusal = {"reason": "reference_reused", "pointer": "/reference"}
    found = state(
        told(0, "accepted", reference="E-1", revision=1),
        told(1, "outcome", destination="hotline", outcome="content_removed"),
        told(2, "refused", reference="E-1", refusal=refusal),
    )
    assert found["destinations"][0]["outcome"] == "content_removed"
    assert found["refusals"] == [{"reference": "E-1", "at": "2026-11-22T12:00:02Z"} | refusal]
    assert found["state"] == "outcome"


def test_a_tip_that_was_only_refused_says_so() -> None:
    """A correction of an unknown reference leaves a refused tip."""
    assert state(told(0, "refused", reference="E-2", refusal={"reason": "unknown_reference"}))["state"] == "refused"


def test_a_sender_sees_its_own_tips_only() -> None:
    """Another partner's tip is not there, nor is its reference."""
    view = StatusView()
    view.apply(
        [told(0, "accepted", reference="E-1"), told(0, "accepted", tip=OTHER, partner="public", reference="P-1")]
    )
    assert view.state("public", UUID(TIP)) is None
    assert view.tip_of("public", "E-1") is None
    assert view.tip_of("public", "P-1") == UUID(OTHER)
    view.close()


def test_statuses_read_twice_count_once() -> None:
    """Reading a topic again changes nothing; a refused reference is not a known one."""
    view = StatusView()
    records = [told(0, "accepted", reference="E-1"), told(1, "refused", reference="E-9"), told(2, "refused", tip=None)]
    for _ in range(2):
        view.apply(records)
    found = view.state("ecpat-se", UUID(TIP))
    assert found is not None
    assert len(found["history"]) == 2  # type: ignore[arg-type]
    assert view.tip_of("ecpat-se", "E-9") is None
    view.close()


async def chunked(data: bytes, size: int) -> AsyncIterator[bytes]:
    """*data* in pieces."""
    for first in range(0, len(data), size):
        yield data[first : first + size]


@pytest.mark.parametrize("size", [1, 3, 7, 1_000_000])
async def test_lines_are_found_however_they_are_cut(size: int) -> None:
    """Lines come out whole and in order; blank ones are skipped; the last needs no end."""
    found = [line async for line in lines_of(chunked(b'{"a":1}\n\n  \r\n{"b":2}\r\nlast', size))]
    assert found == [b'{"a":1}', b'{"b":2}\r', b"last"]


async def test_a_line_that_is_too_long_is_not_kept() -> None:
    """An endless line is one refusal, and the lines around it are whole."""
    data = b"first\n" + b"x" * 700_000 + b"\nlast\n" + b"y" * 300_000
    assert [line async for line in lines_of(chunked(data, 65_536))] == [b"first", None, b"last", None]
    assert [line async for line in lines_of(chunked(data, 10_000_000))] == [b"first", None, b"last", None]


def test_an_idempotency_key_is_remembered_by_partner_and_body() -> None:
    """First: go on; in work: 409; other body: 422; afterwards the same answer; another partner's key is another."""
    seen = Idempotency(most=2)
    assert seen.begin("a", '"k"', "d1") is None
    with pytest.raises(Problem) as in_work:
        seen.begin("a", '"k"', "d1")
    assert in_work.value.status == 409
    seen.end("a", '"k"', {"tip_id": "t"})
    assert seen.begin("a", "k", "d1") == {"tip_id": "t"}
    with pytest.raises(Problem) as other:
        seen.begin("a", "k", "d2")
    assert other.value.status == 422
    assert seen.begin("b", "k", "d1") is None
    seen.give_up("b", "k")
    assert seen.begin("b", "k", "d9") is None
    assert seen.begin("c", "k", "d1") is None
    assert seen.begin("a", "k", "d1") is None


@pytest.mark.parametrize("key", ["", '""', "a b", "x" * 256, '"a"b"', "å", "a\nb"])
def test_a_malformed_key_is_refused(key: str) -> None:
    """A key is 1 to 255 visible characters."""
    with pytest.raises(Problem) as caught:
        Idempotency().begin("a", key, "d")
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "shown", [None, "", "Bearer", "Bearer ", "Basic token-of-one", "Bearer wrong", "Bearer token-of-onex"]
)
def test_e16_only_a_partners_token_opens_the_door(monkeypatch: pytest.MonkeyPatch, shown: str | None) -> None:
    """E16: no token, another scheme or another token is 401; a secret that is not set opens nothing."""
    monkeypatch.setenv("VIDARE_TEST_TOKEN_ONE", "token-of-one")
    monkeypatch.delenv("VIDARE_TEST_TOKEN_TWO", raising=False)
    bearer = Bearer(PARTNERS)
    assert bearer.partner("bearer token-of-one") == VETTED
    assert bearer.without_token() == [PUBLIC.id]
    with pytest.raises(Problem) as caught:
        bearer.partner(shown)
    assert caught.value.status == 401


def test_the_group_key_is_drawn_once(tmp_path: Path) -> None:
    """The first process draws it, readable by its user only; every later one reads the same."""
    settings = Settings(home=tmp_path / "new")
    key = group_key(settings)
    assert len(key) == 32
    assert group_key(settings) == key
    assert stat.S_IMODE((tmp_path / "new" / "group.key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["group.key"]


def test_a_given_group_key_wins(tmp_path: Path) -> None:
    """``VIDARE_GROUP_KEY`` is used as it is; one that could be guessed is a misconfiguration."""
    assert group_key(Settings(home=tmp_path, group_key="0123456789abcdef")) == b"0123456789abcdef"
    with pytest.raises(Misconfigured):
        group_key(Settings(home=tmp_path, group_key="short"))
