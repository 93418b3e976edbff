"""``vidare export cdn`` against a real broker: from the desk's feed to the forms, with what was answered left out."""

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid5

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from contracts.events import DeliveryRecorded
from contracts.indicators import Indicators
from contracts.topics import AGENCY, DELIVERIES
from services.chassis.hop import NAMESPACE
from services.cli.broker import LocalBroker
from services.indicators.urls import parse_url
from services.notifier.documents.render import render
from tests.support.notifier_world import START, a_referral, an_agency

DESK = "cdn-export"
RECORD = f"""\
[[agency]]
id = "{DESK}"
name = "A proxy operator"
kind = "provider"
profile = "provider"
basis = "test"
channels = ["topic"]
topic = {{}}
"""


def test_e86_the_command_reports_what_is_open_and_nothing_else(kafka_broker: LocalBroker, tmp_path: Path) -> None:
    """Two hosts are two reports, an answered referral and a test are not in them, and the sheet holds the same."""
    kafka = kafka_broker.bootstrap
    _fill(kafka)
    agencies, sheet = tmp_path / "agencies.toml", tmp_path / "urls.csv"
    agencies.write_text(RECORD)
    named = {
        "VIDARE_KAFKA": kafka,
        "VIDARE_AGENCIES": str(agencies),
        "VIDARE_REPORTER_ORG": "Example hotline",
        "VIDARE_REPORTER_EMAIL": "reports@hotline.example",
    }
    command = [sys.executable, "-m", "services.cli", "export", "cdn", "--agency", DESK, "--csv", str(sheet), "--json"]
    done = subprocess.run(command, env=os.environ | named, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)

    assert [(each["hostname"], each["form"]["urls"].split("\n")) for each in said["reports"]] == [
        ("a.example", ["https://a.example/0", "https://a.example/2"]),
        ("b.example", ["https://b.example/3"]),
    ]
    assert {each["form"]["owner_notification"] for each in said["reports"]} == {"none"}
    assert {each["form"]["email"] for each in said["reports"]} == {"reports@hotline.example"}
    assert said["left_out"] == {"test": 1}
    assert len(sheet.read_text().splitlines()) == 4
    assert sheet.stat().st_mode & 0o077 == 0


def test_a_desk_of_ours_must_be_named_before_anything_is_exported(kafka: str, tmp_path: Path) -> None:
    """Exit 78 and what to set, where somebody real is onboarded."""
    agencies = tmp_path / "agencies.toml"
    agencies.write_text(RECORD)
    env = os.environ | {"VIDARE_KAFKA": kafka, "VIDARE_AGENCIES": str(agencies)}
    command = [sys.executable, "-m", "services.cli", "export", "cdn", "--agency", DESK]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)

    assert done.returncode == 78
    assert "VIDARE_REPORTER_EMAIL" in done.stderr


def _fill(kafka: str) -> None:
    """Five referrals in the desk's feed, of which the second is acknowledged and the last is a test."""
    admin = AdminClient({"bootstrap.servers": kafka})
    for created in admin.create_topics([NewTopic(name, 1, 1) for name in (AGENCY + DESK, DELIVERIES)]).values():
        created.result(20)
    producer = Producer({"bootstrap.servers": kafka})
    for number, host in enumerate(["a", "a", "a", "b", "b"]):
        producer.produce(AGENCY + DESK, _document(number, host), key=str(_id(number)), partition=0)
    answered = DeliveryRecorded(
        referral_id=_id(1), tip_id=_id(1), version=1, destination=DESK, what="acknowledged", at=START
    )
    producer.produce(DELIVERIES, answered.model_dump_json(by_alias=True))
    assert producer.flush(20) == 0


def _document(number: int, host: str) -> bytes:
    indicators = Indicators(urls=(parse_url(f"https://{host}.example/{number}"),))
    content = a_referral().content.model_copy(update={"indicators": indicators})
    event = a_referral(number, referral_id=_id(number), destination=DESK, content=content, is_test=number == 4)
    return render(event, an_agency(profile="provider"), proof="p")


def _id(number: int) -> UUID:
    return uuid5(NAMESPACE, f"export-cli/{number}")
