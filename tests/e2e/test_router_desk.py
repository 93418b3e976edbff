"""The human desk over the whole mesh in memory: what waits is listed, what a person decides goes on as the same tip."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts import headers as h
from contracts import topics
from services.chassis.telemetry.tracecontext import parse_traceparent
from services.cli.commands.review import Open, Refused, Wish, decided, told, waiting
from tests.support.chain import Chain, chain
from tests.support.desk import BASELINE, URGENT, hosted


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Chain]:
    """Every hop on one broker in memory."""
    async with chain(tmp_path) as made:
        yield made


async def ask(mesh: Chain, wish: Wish, name: str | None = None) -> Open:
    """Decide the only open question, or the one called *name*, and let the mesh work."""
    name = name or str((await waiting(mesh.broker))[0].asked.tip_id)
    done = await decided(mesh.broker, mesh.settings, name, wish, datetime.now(UTC))
    await mesh.settle()
    return done


def referrals(mesh: Chain, tip: str) -> list[tuple[int, str, str]]:
    """Version, destination and action of everything that was routed for *tip*."""
    routed = mesh.json(topics.ROUTED) + mesh.json(topics.ROUTED + topics.URGENT)
    return sorted((one["version"], one["destination"], one["action"]) for one in routed if one["tip_id"] == tip)


def entries(mesh: Chain, kind: str) -> list[dict[str, Any]]:
    """Custody entries of *kind*."""
    return [one for one in mesh.json(topics.CUSTODY) if one["kind"] == kind]


async def test_a_decision_continues_the_same_tip_as_its_next_version(mesh: Chain) -> None:
    """An analyst finds unassessed content illegal: the police get version 2 through the same pipeline and trace."""
    await mesh.send([hosted("SE", "D-1")])
    (one,) = await waiting(mesh.broker)
    row = told(one)
    assert (row["reasons"], row["priority"], row["version"], row["waits_for"]) == (["R07"], "P3", 1, None)
    assert row["decide_by"] > row["opened_at"]

    await ask(mesh, Wish(("anna",), "assessed", status="baseline"))

    tip = str(one.asked.tip_id)
    assert referrals(mesh, tip) == [(2, "police-se", "new")]
    assert [body["tip_id"] for body in mesh.json(topics.AGENCY + "police-se")] == [tip]
    assert await waiting(mesh.broker) == []
    (entry,) = entries(mesh, "review.decided")
    assert (entry["tip"], entry["actor"], entry["basis"]["reason"]) == (tip, "anna", "assessed")
    assert [one["tally"]["version"] for one in entries(mesh, "hop.routed") if one["tip"] == tip] == [1, 2]
    contexts = [parse_traceparent(record.header(h.TRACEPARENT)) for record in mesh.records(topics.DECISIONS)]
    assert len({context.trace_id for context in contexts if context}) == 1, "version 2 is told in the tip's own trace"


async def test_a_named_country_and_named_agencies_are_carried_out(mesh: Chain) -> None:
    """The origin behind a proxy that a person knows decides the hotline; who is named besides gets it too."""
    cdn = hosted("NL", "D-2", **BASELINE) | {"addresses": [{"ip": "203.0.113.5", "role": "hosting"}]}
    await mesh.send([cdn])

    done = await ask(mesh, Wish(("anna",), "the operator told the origin", country="NL", refer="europol"))

    second = {agency for version, agency, _ in referrals(mesh, str(done.asked.tip_id)) if version == 2}
    assert {"hotline-nl", "interpol-iccam", "europol"} <= second


async def test_a_closed_tip_ends_and_takes_back_what_went_out(mesh: Chain) -> None:
    """Closing is px with a reason; who had the tip is told that it is withdrawn."""
    await mesh.send([hosted("SE", "D-3", people=[{"role": "victim", "nationalities": ["SE"]}])])

    done = await ask(mesh, Wish(("anna",), "a test of ours", close=True))

    assert referrals(mesh, str(done.asked.tip_id))[-1] == (2, "police-se", "withdrawn")
    assert mesh.json(topics.DECISIONS)[-1]["px"] == "closed_by_person"
    assert await waiting(mesh.broker) == []


async def test_a_p0_is_lowered_or_closed_by_two_people_only(mesh: Chain) -> None:
    """One name, or the same twice, is refused and nothing is written; two people lower it, both named in the books."""
    await mesh.send([hosted("SE", "D-4", **URGENT)])
    before = len(mesh.json(topics.REVIEWS))
    for by in (("anna",), ("anna", "Anna ")):
        with pytest.raises(Refused, match="two different people"):
            await ask(mesh, Wish(by, "no danger", priority="P3"))
        with pytest.raises(Refused, match="two different people"):
            await ask(mesh, Wish(by, "no danger", close=True))
    assert len(mesh.json(topics.REVIEWS)) == before

    await ask(mesh, Wish(("anna", "bo"), "no danger", priority="P3"))

    assert mesh.json(topics.DECISIONS)[-1]["priority"] == "P3"
    assert entries(mesh, "review.decided")[-1]["actor"] == "anna and bo"


async def test_a_p0_needs_one_person_for_what_does_not_lower_it(mesh: Chain) -> None:
    """To refer it further, one name is enough."""
    await mesh.send([hosted("SE", "D-5", **URGENT)])

    done = await ask(mesh, Wish(("anna",), "they ask for it", refer="europol"))

    assert "europol" in {agency for _, agency, _ in referrals(mesh, str(done.asked.tip_id))}


async def test_a_question_that_was_overtaken_is_not_open(mesh: Chain) -> None:
    """A correction that needs no person closes the old question; deciding it is refused."""
    await mesh.send([hosted("SE", "D-6")])
    (old,) = await waiting(mesh.broker)
    await mesh.send([hosted("SE", "D-6b", supersedes="D-6", **BASELINE)])

    assert await waiting(mesh.broker) == []
    with pytest.raises(Refused, match="no open question"):
        await ask(mesh, Wish(("anna",), "late"), str(old.asked.review_id))


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        (Wish(("anna",), "  "), "needs a reason"),
        (Wish((" ",), "x"), "--by NAME"),
        (Wish(("anna",), "x", refer="hotline-xx"), "--refer hotline-xx: no such agency"),
        (Wish(("anna",), "x", country="ZZ"), "--country ZZ: no such country"),
        (Wish(("anna",), "x", status="bad"), "--status bad: it is one of"),
        (Wish(("anna",), "x", priority="PX"), "--priority PX: it is one of"),
        (Wish(("anna",), "x", close=True, refer="europol"), "--close ends the tip"),
        (Wish(("anna",), "x" * 2_001), "reason"),
    ],
)
async def test_the_desk_refuses_in_clear_words(mesh: Chain, wish: Wish, reason: str) -> None:
    """What cannot be decided so is not written, and the words say what to do."""
    await mesh.send([hosted("SE", "D-7")])

    with pytest.raises(Refused, match=reason):
        await ask(mesh, wish)

    assert len(mesh.json(topics.REVIEWS)) == 1
