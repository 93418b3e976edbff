"""`vidare up` and `vidare demo` as an operator meets them: real processes, a real broker, one home."""

# ruff: noqa: S310 - addresses that the mesh itself printed

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.chassis.broker.broker_port import Out
from services.cli.kafka_io import connected, now_ms, write
from tests.support.supervised import lives, until

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "reference": "UP-1",
    "kind": "csam",
    "urls": ["https://host.example/1"],
    "people": [{"role": "victim", "location": "SE"}],
}


@dataclass
class Up:
    """A running ``vidare up``."""

    home: Path
    process: subprocess.Popen[str]
    said: dict[str, Any]

    @property
    def env(self) -> dict[str, str]:
        """Environment of the commands of its operator."""
        return {k: v for k, v in os.environ.items() if k != "VIDARE_KAFKA"} | {
            "VIDARE_HOME": str(self.home),
            "VIDARE_PARTITIONS": "4",
        }

    def vidare(
        self, *arguments: str, given: str | None = None, seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run one command against it."""
        command = [sys.executable, "-m", "services.cli", *arguments]
        return subprocess.run(
            command, env=self.env, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False, input=given
        )

    def children(self) -> dict[int, str]:
        """Process ids of everything that it started, the broker included, with their command lines."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (OSError, ValueError):
                continue
            if parent == self.process.pid:
                found[int(folder.name)] = line
        return found

    def child(self, words: str) -> int | None:
        """Process id of the child whose command line ends with *words*."""
        return next((pid for pid, line in self.children().items() if line.strip().endswith(words)), None)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One mesh for this module; its end is one of the tests."""
    home = tmp_path_factory.mktemp("up")
    made = Up(home, None, {})  # type: ignore[arg-type]
    with (home / "said").open("w") as said:
        command = [sys.executable, "-m", "services.cli", "up", "--json"]
        made.process = subprocess.Popen(command, env=made.env, cwd=ROOT, stdout=said, stderr=said, text=True)

        def ready() -> bool:
            lines = [line for line in (home / "said").read_text().splitlines() if line.startswith("{")]
            made.said = json.loads(lines[0]) if lines else {}
            return bool(lines) or made.process.poll() is not None

        assert until(ready, 150), (home / "said").read_text()
        assert made.said, (home / "said").read_text()
        yield made
        if made.process.poll() is None:
            made.process.send_signal(signal.SIGINT)
            made.process.wait(40)


def _books(up: Up) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(up.vidare("reconcile", "--json").stdout)
    return found


@pytest.mark.timeout(300)
def test_every_process_answers_at_its_address(up: Up) -> None:
    """Doors and hops say that they are ready, where `vidare up` said they are."""
    places = up.said["processes"]

    assert {"intake-door", "geolocate-door", "router-door", "notifier-door", "custody-door"} <= set(places)
    for name, address in places.items():
        path = "/live" if name == "receiver" else "/ready"
        with urllib.request.urlopen(address + path, timeout=5) as answer:
            assert answer.status == 200, name
    assert up.vidare("topics", "check").returncode == 0


@pytest.mark.timeout(120)
def test_a_hop_that_is_killed_is_back_in_a_moment(up: Up) -> None:
    """A kill -9 is a restart, nothing more."""
    first = up.child("services.router hop --id 0")
    assert first is not None
    os.kill(first, signal.SIGKILL)

    assert until(lambda: up.child("services.router hop --id 0") not in (None, first), 5)
    address = up.said["processes"]["router-hop"]

    def ready() -> bool:
        try:
            with urllib.request.urlopen(address + "/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    assert until(ready, 40)


@pytest.mark.timeout(180)
def test_a_broker_that_is_killed_is_back_at_its_address(up: Up) -> None:
    """A kill -9 of the broker that it started is a restart too: same address, same records, and tips go through."""
    first = json.loads(up.vidare("broker", "status", "--json").stdout)
    accepted = _books(up)["accepted"]
    os.kill(first["pid"], signal.SIGKILL)

    def back() -> bool:
        now = json.loads(up.vidare("broker", "status", "--json").stdout or "{}")
        return bool(now.get("running")) and now["pid"] != first["pid"] and now["bootstrap"] == first["bootstrap"]

    assert until(back, 60)
    line = json.dumps(GOOD | {"reference": "UP-AGAIN"})
    assert until(lambda: up.vidare("submit", "-", "--as", "ecpat-se", given=line).returncode == 0, 60)
    assert until(lambda: _books(up)["accepted"] == accepted + 1 and _books(up)["in_flight"] == 0, 60)
    assert "starts again" in (up.home / "said").read_text()


@pytest.mark.timeout(120)
def test_submit_sends_what_is_good_and_names_what_is_not(up: Up, tmp_path: Path) -> None:
    """Refused lines come with reason and place and exit 1; the others go through the whole mesh."""
    path = tmp_path / "tips.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD | {"reference": "UP-2", "narative": "x"}) + "\n")
    before = _books(up)["accepted"]

    mixed = up.vidare("submit", str(path), "--as", "ecpat-se", "--json")
    stdin = up.vidare("submit", "-", "--as", "public", given=json.dumps(GOOD))

    assert (mixed.returncode, stdin.returncode) == (1, 0)
    assert json.loads(mixed.stdout) == {
        "sent": 1,
        "refused": [{"where": f"{path}:2", "reference": "UP-2", "reason": "unknown_field", "pointer": "/narative"}],
    }
    assert until(lambda: _books(up)["accepted"] == before + 2 and _books(up)["in_flight"] == 0, 40)
    assert _books(up)["unaccounted"] == []


@pytest.mark.timeout(60)
def test_a_token_of_the_demo_set_opens_the_door(up: Up) -> None:
    """The token that `vidare up` drew is the one that the door knows."""
    token = json.loads((up.home / "tokens.json").read_text())["VIDARE_TOKEN_ECPAT_SE"]
    body = json.dumps(GOOD | {"reference": "UP-HTTP"}).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(up.said["processes"]["intake-door"] + "/v1/tips", body, headers)

    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 202
        assert set(json.loads(answer.read())) == {"tip_id", "trace_id", "priority"}


def test_dead_letters_are_listed_shown_without_content_and_replayed_once(up: Up) -> None:
    """A replay goes back to its hop, which puts what is still bad aside again; no letter is replayed twice."""
    secret = b"words of a tip, not JSON"
    headers = [("ce_id", b"6f0c8a52-9a44-5d0e-b6a1-3d4c5e1f2a71")]

    async def spoil() -> None:
        async with connected(up.said["kafka"]) as broker:
            await write(broker, [Out("tips-received", 1, b"g", secret, headers, now_ms())], writer="test")

    asyncio.run(spoil())

    def waiting() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(up.vidare("dlq", "list", "--json").stdout)
        return found

    assert until(lambda: waiting() != [], 30)
    assert [(row["topic"], row["count"]) for row in waiting()] == [("tips-received-dlq", 1)]
    shown = up.vidare("dlq", "show", "tips-received", "--json")
    assert secret.decode() not in shown.stdout
    assert json.loads(shown.stdout)[0]["origin"].startswith("tips-received/1/")
    assert secret.decode() in up.vidare("dlq", "show", "tips-received", "--content").stdout

    done = up.vidare("dlq", "replay", "tips-received", "--by", "anna", "--json")

    assert json.loads(done.stdout) == {"topic": "tips-received-dlq", "replayed": 1}

    def again() -> bool:
        rows = json.loads(up.vidare("dlq", "show", "tips-received", "--json").stdout)
        return len(rows) == 1 and rows[0]["offset"] > 0

    assert until(again, 30)


@pytest.mark.timeout(60)
def test_a_second_mesh_in_the_same_home_is_refused(up: Up) -> None:
    """One clear line and 78: two supervisors would fight over names and stores."""
    done = up.vidare("up")

    assert done.returncode == 78
    assert "already" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.timeout(240)
def test_the_demo_runs_beside_it_and_accounts_for_every_tip(up: Up, tmp_path: Path) -> None:
    """Free ports, a home of its own, every submission answered, nothing lost, nothing doubled, nothing left."""
    demo = Up(tmp_path, up.process, {})
    began = time.monotonic()

    done = demo.vidare("demo", "--json", seconds=220)

    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    books = told["reconciliation"]
    assert books["unaccounted"] == []
    assert (books["in_flight"], books["duplicates"], books["repeated"]) == (0, 0, 1)
    assert books["accepted"] == books["ended"] + books["parked"] == len(told["tips"]) >= 66
    assert len(told["refused"]) == books["refused"] >= 12
    assert all(row["trace_id"] and row["priority"] for row in told["tips"])
    assert all(row["destinations"] or row["ending"] for row in told["tips"])
    assert {d["delivery"] for row in told["tips"] for d in row["destinations"]} >= {"acknowledged", "delivered"}
    assert time.monotonic() - began < 200
    assert not (tmp_path / "demo-1" / "broker" / "broker.json").exists()


@pytest.mark.timeout(90)
def test_ctrl_c_ends_everything_in_time_and_leaves_nothing(up: Up) -> None:
    """SIGINT: exit 0 within 20 s, no process of it left, the broker neither."""
    running = up.children()
    broker = json.loads(up.vidare("broker", "status", "--json").stdout)["pid"]
    assert len(running) >= 10
    began = time.monotonic()

    up.process.send_signal(signal.SIGINT)

    assert up.process.wait(30) == 0
    assert time.monotonic() - began < 20
    assert not [pid for pid in [*running, broker] if pid and lives(pid)]
