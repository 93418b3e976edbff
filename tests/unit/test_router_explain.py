"""What operators read: the explained decision, by command line and door."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from httpx import ASGITransport, AsyncClient

from contracts import topics
from contracts.vocabulary import Flag
from services.chassis.errors import Misconfigured
from services.chassis.settings import Settings
from services.chassis.telemetry.tracing import DoorTracing
from services.cli.commands.explain import run
from services.cli.commands.rules import check, diff
from services.router.door import door
from services.router.rules.books import Books, activation
from services.router.telling.explain import explained
from tests.support.router_world import SETTINGS, decide, shipped
from tests.support.tips import a_tip, edge, host, of_person, unsure, victim
from tests.unit.test_router_books import DIGEST, published, switch


def submission(reference: str, **more: Any) -> bytes:
    """One line of a file."""
    base = {
        "reference": reference,
        "kind": "csam",
        "urls": ["https://host.example/page"],
        "assessment": {"status": "baseline"},
    }
    return orjson.dumps(base | more)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Test networks, a home of its own."""
    return Settings(home=tmp_path, test_networks="on", group_key="sixteen bytes or more")


def test_the_explained_decision_has_the_surfaces_fields() -> None:
    """
    Names and shapes that other programs read.
    """
    tip = a_tip("NL", unsure("CA", "MU"), persons=[of_person("NO")], people=(victim("SE"),))
    told = explained(tip, decide(tip))

    assert list(told) == [
        *("reference", "accepted", "refusal", "tip_id", "group_id", "priority", "priority_reasons", "actionability"),
        *("jurisdiction", "destinations", "later", "suppressed", "px", "why_not"),
    ]
    assert told["jurisdiction"] == {
        "hosting": [{"country": "NL", "confidence": 0.95}],
        "candidates": ["CA", "MU"],
        "offender": ["NO"],
        "victim": ["SE"],
        "place": None,
        "flags": ["conflict"],
    }
    assert {"id": "hotline-nl", "rules": ["R08"], "priority": "P2", "region": None} in told["destinations"]


def test_why_not_names_every_rule_and_what_failed() -> None:
    """
    Each rule once: matched, or the first condition that failed.
    """
    tip = a_tip(edge())
    rules = {rule["id"]: rule for rule in explained(tip, decide(tip), rules=True)["rules"]}

    assert len(rules) == 41
    assert rules["R17"] == {"id": "R17", "matched": True, "failed": None}
    assert rules["R08"]["failed"] == "host.at equals abroad"
    assert rules["R04"]["failed"] == "no victim"


def test_the_command_answers_line_by_line(
    settings: Settings, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """
    JSON lines in, JSON lines out, in order; a refused line says why; a difference from what was expected is 1.
    """
    file = tmp_path / "tips.jsonl"
    home = {"addresses": [{"ip": "192.0.2.70", "role": "hosting"}]}
    file.write_bytes(
        b"\n".join([submission("A", **home), orjson.dumps({"reference": "B", "kind": "csam"}), submission("C")])
    )

    code = run(settings, [str(file)], "ecpat-se", json=True)
    told = [orjson.loads(line) for line in capfdbinary.readouterr().out.splitlines()]

    assert code == 0
    assert [one["reference"] for one in told] == ["A", "B", "C"]
    assert [to["id"] for to in told[0]["destinations"]] == ["police-se"]
    assert told[0]["later"][0]["id"] == "takedown-se"
    assert told[1] == {
        "reference": "B",
        "accepted": False,
        "refusal": {"reason": "empty_tip", "pointer": told[1]["refusal"]["pointer"]},
    }


@pytest.mark.parametrize(("expect", "code"), [("hotline-nl,interpol-iccam", 0), ("hotline-nl", 1)])
def test_an_expectation_decides_the_exit_code(settings: Settings, tmp_path: Path, expect: str, code: int) -> None:
    """
    Rules can be tested from a shell.
    """
    file = tmp_path / "tip.json"
    file.write_bytes(submission("A", addresses=[{"ip": "192.0.2.7", "role": "hosting"}]))

    assert run(settings, [str(file)], "ecpat-se", why_not=True, expect=expect) == code


def test_rules_check_and_diff_answer_with_exit_codes(tmp_path: Path) -> None:
    """
    A proven book is 0, a broken one ends the command, a difference is 1.
    """
    text = SETTINGS.rulebook_file.read_text(encoding="utf-8")
    other, broken = tmp_path / "other.toml", tmp_path / "broken.toml"
    other.write_text(text.replace("at_least = 0.7", "at_least = 0.5"), encoding="utf-8")
    broken.write_text(text.replace('kind = "default"', 'kind = "door"'), encoding="utf-8")

    assert check(SETTINGS) == 0
    assert check(SETTINGS, other, json=True) == 0
    assert diff(SETTINGS.rulebook_file, SETTINGS.rulebook_file) == 0
    assert diff(SETTINGS.rulebook_file, other) == 1
    assert diff(SETTINGS.rulebook_file, other, json=True) == 1
    with pytest.raises(Misconfigured):
        check(SETTINGS, broken)


@pytest.fixture
def books() -> Books:
    """The rulebook in use at the door."""
    return Books(shipped())


@pytest.fixture
def client(settings: Settings, books: Books) -> AsyncClient:
    """The door, with a submission path that answers what it was given."""
    app = door(
        books,
        DoorTracing.of(settings, "router-door"),
        submitted=lambda data, partner, _: {"size": len(data), "partner": partner},
        now=lambda: datetime.now(UTC),
    )
    return AsyncClient(transport=ASGITransport(app), base_url="http://testserver")


async def test_the_door_explains_a_located_tip(client: AsyncClient) -> None:
    """
    The full decision with every rule.
    """
    tip = a_tip(host(None, flags=(Flag.ONION,)))
    answer = await client.post("/v1/explain", content=tip.model_dump_json(by_alias=True))

    assert answer.status_code == 200
    assert [to["id"] for to in answer.json()["destinations"]] == ["crawler-arachnid", "interpol-ncb-se", "police-se"]
    assert len(answer.json()["rules"]) == 41


async def test_the_door_passes_a_submission_on(client: AsyncClient) -> None:
    """
    A submission is explained as its partner's.
    """
    answer = await client.post("/v1/explain?partner=ecpat-se", content=submission("A"))

    assert answer.json()["partner"] == "ecpat-se"


@pytest.mark.parametrize(
    ("body", "query", "status", "code"),
    [
        (b"{", "", 400, "not_json"),
        (b'{"schema": "tip-located/1"}', "", 422, "invalid_field"),
        (b"{}", "?partner=nobody", 422, "invalid_field"),
        (b" " * (2 * 1024 * 1024 + 1), "", 413, "too_large"),
    ],
)
async def test_the_door_refuses_in_words(client: AsyncClient, body: bytes, query: str, status: int, code: str) -> None:
    """
    A problem document that names no content.
    """
    answer = await client.post(f"/v1/explain{query}", content=body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_door_says_that_it_lives_and_what_decides(client: AsyncClient) -> None:
    """
    Liveness, readiness with the rulebook's digest, metrics; to whoever watches, by whatever name it calls.
    """
    ready = await client.get("/ready", headers={"Host": "router-door:8103"})

    assert ready.json()["rulebook"]["digest"] == shipped().book.digest
    assert (await client.get("/live")).json() == {"live": True}
    for path in ("/live", "/metrics"):
        assert (await client.get(path, headers={"Host": "router-door:8103"})).status_code == 200
    strange = await client.post("/v1/explain", content=b"{}", headers={"Host": "evil.example"})
    assert (strange.status_code, strange.json()["code"]) == (400, "not_permitted")


async def test_the_door_follows_the_rulebook_in_force_and_names_it(client: AsyncClient, books: Books) -> None:
    """
    The same tip after an activation is explained by the new book; a refused one is a warning and a metric.
    """
    body = a_tip("NL").model_dump_json(by_alias=True)
    before = await client.post("/v1/explain", content=body)
    switch(books)
    after = await client.post("/v1/explain", content=body)
    submitted = await client.post("/v1/explain?partner=ecpat-se", content=submission("A"))
    assert before.json()["rulebook"]["digest"] == shipped().book.digest
    assert after.json()["rulebook"]["digest"] == submitted.json()["rulebook"]["digest"] == DIGEST

    assert "vidare_rulebook_refused 0.0" in (await client.get("/metrics")).text
    books.apply([published(topics.ACTIVE, activation("sha256:nowhere"), 9)])
    ready = await client.get("/ready")
    assert (ready.status_code, ready.json()["rulebook"]["digest"]) == (200, DIGEST)
    assert "no rulebook with this digest" in ready.json()["warnings"][0]
    assert "vidare_rulebook_refused 1.0" in (await client.get("/metrics")).text
