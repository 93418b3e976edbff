"""Databases that are replaced under a running process: the door of geolocate as a process of its own (E36)."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.blackbox import ROOT, environment, vidare
from tests.support.geodata import write_source

BLOCK, ADDRESS = "193.10.0.0/16", "193.10.0.1"
WITHIN_S = 60.0


def put(folder: Path, country: str, *, days: int = 1) -> Path:
    """Replace the one database of *folder*, as an update does, by one built *days* ago."""
    epoch = int((datetime.now(UTC) - timedelta(days=days)).timestamp())
    return write_source(folder / "one.mmdb", {BLOCK: country}, kind="Vidare-Country", epoch=epoch)


class Door:
    """A running geolocate door over a folder of its own."""

    def __init__(self, folder: Path, home: Path) -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            port = held.getsockname()[1]
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.geolocate", "door"],
            env=environment(home, geodata=str(folder), port=str(port)),
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5)

    def country(self) -> str | None:
        """Where the address lies now."""
        found: str | None = self.http.get("/v1/locate", params={"ip": ADDRESS}).json()["country"]
        return found

    def ready(self) -> dict[str, Any]:
        """The body of the probe."""
        found: dict[str, Any] = self.http.get("/ready").json()
        return found

    def until(self, holds: Any) -> None:
        """Wait until *holds* says so; a door that is not up yet holds nothing."""
        end = time.monotonic() + WITHIN_S
        while time.monotonic() < end:
            try:
                if holds():
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"not within {WITHIN_S} s")

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(WITHIN_S)
        self.http.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """A door over one database that says Sweden."""
    folder = tmp_path / "geodata"
    put(folder, "SE")
    made = Door(folder, tmp_path / "home")
    try:
        made.until(lambda: made.country() == "SE")
        yield made
    finally:
        made.close()


@pytest.mark.timeout(240)
def test_e36_a_running_process_takes_a_new_file_and_keeps_the_old_one_of_a_broken_one(door: Door) -> None:
    """E36: replaced: used at once; broken: the last sound one answers, warned of; healed: gone."""
    put(door.folder, "NO")
    door.until(lambda: door.country() == "NO")
    assert door.ready()["warnings"] == []

    (door.folder / "one.mmdb").write_bytes(b"half a file")
    door.until(lambda: any("one.mmdb" in line for line in door.ready()["warnings"]))
    assert (door.country(), door.ready()["ready"]) == ("NO", True)
    door.until(lambda: "vidare_geodata_broken 1.0" in door.http.get("/metrics").text)

    put(door.folder, "FI")
    door.until(lambda: door.country() == "FI")
    door.until(lambda: "vidare_geodata_broken 0.0" in door.http.get("/metrics").text)
    assert door.ready()["warnings"] == []


@pytest.mark.parametrize(
    ("days", "flags", "word"), [(1, [], None), (40, ["stale_geodata"], "warning"), (100, ["stale_geodata"], "alarm")]
)
def test_e36_age_is_said_and_changes_no_verdict(days: int, flags: list[str], word: str | None, tmp_path: Path) -> None:
    """E36: 40 and 100 days old: the flag, the word in the status, the same country."""
    put(tmp_path / "geodata", "SE", days=days)
    env = environment(tmp_path / "home", geodata=str(tmp_path / "geodata"))
    found = httpx.Response(200, content=vidare(["locate", ADDRESS, "--json"], env).stdout).json()
    status = httpx.Response(200, content=vidare(["geodata", "status", "--json"], env).stdout).json()

    assert (found["country"], found["confidence"], found["flags"]) == ("SE", 0.6, flags)
    assert status["sources"][0]["state"] == {None: "fresh", "warning": "stale", "alarm": "alarm"}[word]
    assert {row["list"] for row in status["lists"]} >= {"cloudflare", "tor-exits", "shorteners", "messengers"}
    assert all(row["from"] and row["date"] for row in status["lists"])
