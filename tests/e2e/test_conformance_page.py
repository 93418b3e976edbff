"""docs/agency.md: every command on the page does what the page says, in its order, against a live mesh."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from contracts.onboarding import AgenciesFile, WebhookChannel
from services.chassis.settings import ROOT
from services.chassis.tomlfile import read_toml, validate
from services.notifier.channels import signing
from tests.support.mesh import HOPS, ProcessMesh
from tests.support.oracle import Reader, Seen

PAGE = (ROOT / "docs" / "agency.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TOKEN = "token of the page"


def blocks(language: str) -> list[str]:
    """The page's blocks of one language, in order."""
    return [text for name, text in BLOCKS if name == language]


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@dataclass
class Page:
    """A mesh with the page's agency, and the desk of its engineer."""

    mesh: ProcessMesh
    folder: Path
    env: dict[str, str]
    receiver: int

    def run(self, script: str) -> str:
        """Run one block as the page has it, in the engineer's folder; what it exports is kept for the next."""
        kept = self.folder / "exported"
        script = script.replace("8190", str(self.receiver)).replace(
            "deploy/receiver", str(ROOT / "deploy" / "receiver")
        )
        text = f"set -euo pipefail\ntouch {kept}; source {kept}\n{script}\nexport -p > {kept}\n"
        done = subprocess.run(
            ["/bin/bash", "-c", text],
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout


def wait_until_ready(address: str, log: Path) -> None:
    """Wait for a door."""
    end = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(address + "/ready", timeout=2):  # noqa: S310 - our own address
                return
        except OSError:
            assert time.monotonic() < end, log.read_text() if log.exists() else address
            time.sleep(0.2)


@pytest.fixture
def page(module_kafka: str, tmp_path: Path) -> Iterator[Page]:
    """The page's onboarding record with a receiver on this machine, every hop, and the notifier's door."""
    receiver, door = free_port(), free_port()
    agencies = tmp_path / "agencies.toml"
    local = f"http://127.0.0.1:{receiver}/agencies/hotline-nl"
    agencies.write_text(blocks("toml")[0].replace("https://test.hotline.example/vidare", local))
    keys = subprocess.run(
        [sys.executable, "-m", "services.cli", "conformance", "--new-keys", "--json"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    extra = json.loads(keys.stdout) | {
        "VIDARE_AGENCIES": str(agencies),
        "VIDARE_ALLOW_LOOPBACK": "on",
        "VIDARE_TOKEN_HOTLINE_NL": TOKEN,
    }
    mesh = ProcessMesh(
        module_kafka, tmp_path / "mesh", partitions=1, extra=extra, hops=(*HOPS, ("notifier", "receipts"))
    )
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "vidare").write_text(f'#!/bin/sh\nexec {sys.executable} -m services.cli "$@"\n')
    (commands / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for each in commands.iterdir():
        each.chmod(0o755)
    mesh.start()
    mesh.extra["VIDARE_PORT"] = str(door)
    mesh.add("notifier", "door", 0)
    del mesh.extra["VIDARE_PORT"]
    address = f"http://127.0.0.1:{door}"
    wait_until_ready(address, mesh.home / "logs" / "notifier-door-0.log")
    env = mesh.env | {"PATH": f"{commands}:{os.environ['PATH']}", "MESH": address, "TOKEN": TOKEN}
    try:
        yield Page(mesh, tmp_path, env, receiver)
    finally:
        mesh.stop()


def the_agency_s(seen: list[Seen]) -> list[str]:
    """What was recorded of the page's referral, in order."""
    rows: list[dict[str, Any]] = [record.json() for record in seen]
    return [row["what"] for row in rows if row["destination"] == "hotline-nl"]


@pytest.mark.timeout(400)
def test_the_page_leads_to_an_acknowledged_test_referral(page: Page) -> None:
    """Receiver, kit, test tip, pull, receipts by webhook, HTTP and topic: in the order of the page."""
    keys, receiver, kit, send, pull, answer, *topic, operator = blocks("sh")
    assert "export VIDARE_TEST_SECRET=whsec_" in page.run("vidare conformance --new-keys")
    assert keys.startswith("eval")
    (page.folder / "test-tip.json").write_text(blocks("json")[0])
    deliveries = Reader(page.mesh.kafka, ["deliveries"], from_now=True)
    running = page.run(receiver.replace("&", "> receiver.log 2>&1 & echo $!"))
    try:
        wait_until_ready(f"http://127.0.0.1:{page.receiver}", page.folder / "receiver.log")
        assert "0 fail" in page.run(kit)
        page.run(send)
        seen = deliveries.until(lambda seen: "acknowledged" in the_agency_s(seen), seconds=90)
        page.run(pull)
        assert json.loads((page.folder / "page.json").read_text())["referrals"][0]["is_test"] is True
        page.run(answer)
        for script in topic:
            assert "kcat" in script
            if shutil.which("kcat"):
                assert '"is_test":true' in page.run(script)
        (page.folder / "topic.py").write_text(blocks("python")[1])
        assert page.run("python topic.py").split() == ["new", "True", "1"]
        seen += deliveries.until(lambda seen: "closed" in the_agency_s(seen), seconds=90)
        shown = page.run(operator)
    finally:
        os.kill(int(running), 15)

    assert {"acknowledged", "actioned", "closed"} <= set(the_agency_s(seen))
    assert "hotline-nl" in shown


def test_the_record_of_the_page_is_one(tmp_path: Path) -> None:
    """It is what ``agencies.toml`` takes, and for tests only."""
    path = tmp_path / "agencies.toml"
    path.write_text(blocks("toml")[0])
    (agency,) = validate(read_toml(path), AgenciesFile).agency

    assert ("hotline-nl", True) == (agency.id, agency.test)


def test_the_fifteen_lines_verify_what_the_mesh_signs() -> None:
    """The page's function takes our signature, and nothing that was changed."""
    names: dict[str, Any] = {}
    exec(blocks("python")[0], names)  # noqa: S102 - the page's own code
    verified, secret, body = names["verified"], "whsec_" + "QUJDRA" * 6, b'{"schema":"referral/1"}'
    hook = WebhookChannel(url="https://host.example/", secret="env:S")
    now = datetime.now(UTC)
    good, old = (
        signing.headers(hook, lambda _ref: secret, UUID(int=7), now - timedelta(seconds=age), body) for age in (0, 400)
    )
    many = good | {"webhook-signature": " ".join([good["webhook-signature"]] * 17)}

    assert len(blocks("python")[0].splitlines()) <= 15
    assert verified(secret, good, body)
    assert not any((verified(secret, good, body + b" "), verified(secret, old, body), verified(secret, many, body)))


def test_every_link_of_the_page_leads_somewhere() -> None:
    """Relative links are files of the repository."""
    for target in re.findall(r"\]\((\.\.?/[^)#]+)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
