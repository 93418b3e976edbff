"""The human desk and a change of rulebooks on a real broker, by the commands that an operator types."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.cli.broker import LocalBroker
from services.cli.broker.wire import wait_until
from services.router.rules.books import short
from services.router.rules.rulebook import load_rulebook
from tests.support.mesh import ProcessMesh
from tests.support.oracle import Reader, Seen
from tests.support.router_world import SETTINGS

RUN = uuid.uuid4().hex[:8]
HOTLINE = "referrals-agency-hotline-nl"


@pytest.fixture
def mesh(kafka_broker: LocalBroker, tmp_path: Path) -> Iterator[ProcessMesh]:
    """Every hop once, on a real broker of its own."""
    mesh = ProcessMesh(kafka_broker.bootstrap, tmp_path / "desk")
    mesh.start()
    yield mesh
    mesh.stop()


def submit(mesh: ProcessMesh, name: str) -> str:
    """Send a tip about illegal content on a server that nobody can place; return its reference."""
    reference = f"{name}-{RUN}"
    file = mesh.home / f"{reference}.json"
    tip = {
        "reference": reference,
        "kind": "csam",
        "urls": [f"https://{reference.lower()}.example/page"],
        "assessment": {"status": "baseline"},
    }
    file.write_text(json.dumps(tip), encoding="utf-8")
    mesh.vidare("submit", str(file), "--as", "ecpat-se")
    return reference


def question(mesh: ProcessMesh, tip: str | None = None) -> dict[str, Any]:
    """The open question about *tip*, or the only one of this run, once it is there."""
    found: list[dict[str, Any]] = []

    def asked() -> bool:
        found[:] = [row for row in mesh.json("review", "list") if tip in (None, row["tip"])]
        return bool(found)

    assert wait_until(asked, timeout_s=60, every_s=1.0), "no question came"
    return found[-1]


def accepted(mesh: ProcessMesh, reference: str) -> str:
    """The tip id that the sender was told."""
    reader = Reader(mesh.kafka, ["tips-status-ecpat-se"])
    seen = reader.until(lambda records: any(r.json()["reference"] == reference for r in records), seconds=60)
    tip: str = next(record.json()["tip_id"] for record in seen if record.json()["reference"] == reference)
    return tip


def decided_for_nl(mesh: ProcessMesh, tip: str) -> dict[str, Any]:
    """Let a person name the hosting country; return the hotline's referral of this tip."""
    mesh.vidare("review", "decide", tip, "--by", "anna", "--reason", "the operator told us", "--country", "NL")
    reader = Reader(mesh.kafka, [HOTLINE])

    def mine(seen: list[Seen]) -> list[dict[str, Any]]:
        return [record.json() for record in seen if record.json()["tip_id"] == tip]

    (referral,) = mine(reader.until(lambda seen: bool(mine(seen)), seconds=60))
    return referral


@pytest.mark.timeout(300)
def test_a_person_decides_and_a_rulebook_is_switched_while_the_mesh_runs(mesh: ProcessMesh, tmp_path: Path) -> None:
    """
    The same tip goes on as version 2; the next tips carry the new digest, also after the router was killed.
    """
    shipped = load_rulebook(SETTINGS.rulebook_file).digest
    before = mesh.json("rules", "activate", str(SETTINGS.rulebook_file))["rulebook"]["digest"]
    tip = accepted(mesh, submit(mesh, "A"))
    assert question(mesh, tip)["reasons"] == ["R21"]
    refused = mesh.vidare("review", "decide", tip, "--by", "a", "--reason", "x", "--country", "ZZ", check=False)
    assert (refused.returncode, "no such country" in refused.stderr) == (1, True)

    first = decided_for_nl(mesh, tip)

    assert (first["version"], first["action"], first["rulebook"]["digest"]) == (2, "new", shipped)
    assert before == shipped
    mine = tmp_path / "mine.toml"
    mine.write_text(SETTINGS.rulebook_file.read_text("utf-8").replace('title = "trafficking"', f'title = "run {RUN}"'))
    digest = load_rulebook(mine).digest
    assert mesh.json("rules", "activate", str(mine), "--by", "anna")["before"] == shipped
    log = mesh.home / "logs" / "router-hop-0.log"
    assert wait_until(lambda: short(digest) in log.read_text("utf-8"), timeout_s=20), (
        "the router never took the new rulebook"
    )

    second = accepted(mesh, submit(mesh, "B"))
    question(mesh, second)
    assert decided_for_nl(mesh, second)["rulebook"]["digest"] == digest

    router = next(worker for worker in mesh.places if worker.service == "router")
    mesh.kill(router)
    third = accepted(mesh, submit(mesh, "C"))
    question(mesh, third)
    assert decided_for_nl(mesh, third)["rulebook"]["digest"] == digest
    tried = mesh.json("rules", "backtest", str(SETTINGS.rulebook_file), "--since", "1h")
    assert tried["decisions"] >= 6
    assert tried["changed"] == 0
    mesh.vidare("rules", "activate", str(SETTINGS.rulebook_file))
