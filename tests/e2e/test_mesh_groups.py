"""Tips about one thing, corrected and taken back, through every hop: what the agencies have in hand in the end."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from contracts import topics
from services.chassis.running.memory_run import Fed
from tests.support.chain import Chain, chain
from tests.support.desk import BASELINE, URGENT, hosted

VIRAL: dict[str, Any] = {
    **BASELINE,
    "urls": ["https://viral.example/file"],
    "hashes": [{"algorithm": "sha256", "value": "5e" * 32}],
    "people": [{"role": "victim", "nationalities": ["SE"]}],
}
ALL = ("hotline-nl", "interpol-iccam", "police-se")


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Chain]:
    """Every hop on one broker in memory."""
    async with chain(tmp_path) as made:
        yield made


def viral(reference: str, account: int = 0, **more: Any) -> dict[str, Any]:
    """A tip about one file, seen at one account."""
    accounts = [{"service": "chat.example", "handle": f"user-{account}"}]
    return hosted("NL", reference, **{**VIRAL, "accounts": accounts, **more})


def documents(mesh: Chain, agency: str, since: int = 0) -> list[dict[str, Any]]:
    """What *agency* received on its topic, after the first *since*."""
    return mesh.json(topics.AGENCY + agency)[since:]


def counts(mesh: Chain) -> dict[str, int]:
    """How many documents each agency has."""
    return {agency: len(documents(mesh, agency)) for agency in ALL}


def news(mesh: Chain, before: dict[str, int]) -> dict[str, list[dict[str, Any]]]:
    """What each agency received since *before*."""
    return {agency: documents(mesh, agency, since) for agency, since in before.items()}


async def acknowledge(mesh: Chain, agency: str, referral: str) -> None:
    """The agency answers, as its own client would."""
    receipt = {
        "schema": "receipt/1", "referral_id": referral, "status": "acknowledged", "reference": "A-1",
        "at": "2026-11-22T10:00:00Z",
    }  # fmt: skip
    await mesh.feed(Fed(topics.RECEIPTS_INBOX + agency, orjson.dumps(receipt), key=referral.encode()))


async def test_e63_a_viral_file_reaches_removal_once_and_the_police_for_each_account(mesh: Chain) -> None:
    """Sixty accounts: the hotline has one referral and the counts at 2 and 10; the police have sixty, related."""
    await mesh.send([viral(f"V-{n}", n) for n in range(60)])

    hotline = documents(mesh, "hotline-nl")
    assert [(one["action"], one["sightings"]) for one in hotline] == [("new", 1), ("sightings", 2), ("sightings", 10)]
    assert {one["replaces"] for one in hotline[1:]} == {hotline[0]["referral_id"]}
    police = documents(mesh, "police-se")
    assert [one["action"] for one in police] == ["new"] * 60
    assert [one["related"] for one in police] == [[], *[[police[0]["referral_id"]]] * 59]
    assert len({one["content"]["accounts"][0]["handle"] for one in police}) == 60
    assert {one["group"] for one in [*hotline, *police]} == {police[0]["group"]}


async def test_e63_a_child_in_crisis_among_them_is_a_referral_of_its_own_at_once(mesh: Chain) -> None:
    """The thirty-first tip is P0 at all three, by the urgent lane, and names the first referral there."""
    await mesh.send([viral(f"V-{n}", n) for n in range(30)])
    first, before = {agency: documents(mesh, agency)[0]["referral_id"] for agency in ALL}, counts(mesh)

    await mesh.send([viral("V-30", 0, signals=["crisis"])])

    for agency, found in news(mesh, before).items():
        (one,) = found
        assert (one["action"], one["priority"], one["related"]) == ("new", "P0", [first[agency]])
    assert {one["reference"] for one in mesh.json(topics.ROUTED + topics.URGENT)} == {"V-30"}


@pytest.mark.parametrize(
    ("fact", "reached"),
    [
        ({"people": [{"role": "victim", "nationalities": ["SE"], "name": "an invented name"}]}, {"police-se"}),
        ({"urls": ["https://viral.example/file", "https://second.example/copy"]}, set(ALL)),
        (
            {"people": [{"role": "victim", "nationalities": ["SE"]}, {"role": "suspect", "location": "NO"}]},
            {"police-se", "police-no", "interpol-ncb-se"},
        ),
    ],
    ids=["victim-name", "second-url", "new-country"],
)
async def test_e64_a_new_fact_has_a_referral_of_its_own(mesh: Chain, fact: dict[str, Any], reached: set[str]) -> None:
    """To its own destinations, in the same group, naming what the agency has; what is no news there is counted."""
    await mesh.send([viral("N-1")])
    first, before = documents(mesh, "police-se")[0], counts(mesh) | {"police-no": 0, "interpol-ncb-se": 0}

    await mesh.send([viral("N-2", **fact)])

    found = news(mesh, before)
    assert {agency for agency, some in found.items() if [one["action"] for one in some] == ["new"]} == reached
    (own,) = found["police-se"]
    assert own["related"] == [first["referral_id"]]
    assert {one["group"] for some in found.values() for one in some} == {first["group"]}
    assert {one["action"] for agency, some in found.items() if agency not in reached for one in some} <= {"sightings"}


async def test_e65_a_late_fact_lowers_nothing_that_went_out_as_urgent(mesh: Chain) -> None:
    """The danger is taken back: the agency is told by an update, at the level at which it works on it already."""
    await mesh.send([viral("L-1", **URGENT)])
    before = counts(mesh)
    first = {agency: documents(mesh, agency)[0] for agency in ALL}
    assert {one["priority"] for one in first.values()} == {"P0"}

    await mesh.send([viral("L-2", supersedes="L-1")])

    for agency, (one,) in news(mesh, before).items():
        assert (one["action"], one["priority"], one["version"]) == ("update", "P0", 2)
        assert one["replaces"] == first[agency]["referral_id"]


async def test_e66_a_correction_after_delivery_reaches_everybody_and_whoever_is_asked_now(mesh: Chain) -> None:
    """Acknowledged or not: an update to who stays, a withdrawal to who goes, a new referral to who comes."""
    await mesh.send([viral("C-1")])
    await acknowledge(mesh, "police-se", documents(mesh, "police-se")[0]["referral_id"])
    first = {agency: documents(mesh, agency)[0]["referral_id"] for agency in ALL}
    before = counts(mesh)

    await mesh.send([hosted("FI", "C-2", **{**VIRAL, "supersedes": "C-1"})])

    found = news(mesh, before)
    assert {agency: [one["action"] for one in some] for agency, some in found.items()} == {
        "hotline-nl": ["withdrawn"],
        "interpol-iccam": ["update"],
        "police-se": ["update"],
    }
    assert {agency: some[0]["replaces"] for agency, some in found.items()} == first
    (new,) = documents(mesh, "hotline-fi")
    assert (new["action"], new["version"], new["tip_id"]) == ("new", 2, found["police-se"][0]["tip_id"])


async def test_e66_a_withdrawal_ends_everything_and_the_books_keep_all(mesh: Chain) -> None:
    """Everybody who got it is told; acceptance, both versions and every delivery stay in custody."""
    await mesh.send([viral("W-1")])
    await acknowledge(mesh, "police-se", documents(mesh, "police-se")[0]["referral_id"])
    before = counts(mesh)
    entries = mesh.json(topics.CUSTODY)

    await mesh.send([{"reference": "W-2", "kind": "csam", "supersedes": "W-1", "withdrawn": True}])

    assert [[one["action"] for one in some] for some in news(mesh, before).values()] == [["withdrawn"]] * len(ALL)
    after = mesh.json(topics.CUSTODY)
    kept = {one["event"] for one in after}
    assert {one["event"] for one in entries} <= kept
    tip = documents(mesh, "police-se")[0]["tip_id"]
    routed = [one["tally"] for one in after if one["kind"] == "hop.routed" and one["tip"] == tip]
    assert [(one["version"], one["px"]) for one in routed] == [(1, None), (2, "withdrawn")]


async def test_e66_other_senders_keep_open_what_the_first_takes_back(mesh: Chain) -> None:
    """The hotline learns that another sender told of the same; only the last one's withdrawal ends it."""
    await mesh.send([viral("O-1")])
    await mesh.send([viral("O-2")], partner="arachnid")
    before = counts(mesh)

    await mesh.send([{"reference": "O-3", "kind": "csam", "supersedes": "O-1", "withdrawn": True}])

    (hotline,) = news(mesh, before)["hotline-nl"]
    assert (hotline["action"], hotline["via"]) == ("update", ["arachnid"])
