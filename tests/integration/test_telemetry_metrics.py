"""A whole mesh on the real broker: what each process's ``/metrics`` shows; labels are words of closed lists."""

# ruff: noqa: S310 - loopback addresses of the mesh itself

import json
import os
import signal
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from contracts import labels, telemetry
from contracts.telemetry import METRICS, Metric
from services.chassis.onboarding import load_agencies
from services.chassis.settings import Settings
from services.cli.secrets import read_secrets
from services.cli.supervisor import Mesh
from tests.support.mesh import ProcessMesh
from tests.support.oracle import publish
from tests.support.supervised import until

RUN = uuid.uuid4().hex[:8]
INBOX = "tips-inbox-ecpat-se"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""(name of a sample, its labels) -> value."""

EVERY_PROCESS = {telemetry.SPANS_EXPORTED, telemetry.SPANS_DROPPED, telemetry.UNLISTED}
EVERY_DOOR = {telemetry.HTTP_REQUESTS, telemetry.HTTP_SECONDS}
EVERY_HOP = EVERY_PROCESS | {
    telemetry.CONSUMED, telemetry.SENT, telemetry.PROCESS_SECONDS, telemetry.COMMIT_SECONDS, telemetry.TRANSACTIONS,
    telemetry.CRASHES, telemetry.LAG, telemetry.LAG_SECONDS, telemetry.REBALANCES, telemetry.TASKS,
    telemetry.BAD_TRACE_HEADERS,
}  # fmt: skip
BEHIND_INTAKE = EVERY_HOP | {telemetry.DEAD_LETTERS}
SHOWN: dict[str, set[Metric]] = {
    "intake-hop": EVERY_HOP | {telemetry.REFUSALS, telemetry.REPEATS},
    "geolocate-hop": BEHIND_INTAKE | {telemetry.GEODATA_AGE, telemetry.GEODATA_BROKEN},
    "router-hop": BEHIND_INTAKE | {telemetry.TIP_AGE, telemetry.RULEBOOK_REFUSED},
    "notifier-hop": BEHIND_INTAKE
    | {
        telemetry.TIP_AGE, telemetry.ATTEMPTS, telemetry.ATTEMPT_SECONDS, telemetry.RECEIPTS, telemetry.ESCALATIONS,
        telemetry.BACKLOG, telemetry.BACKLOG_AGE, telemetry.PARKED, telemetry.BREAKER_STATE,
        telemetry.PAUSED, telemetry.FEED, telemetry.ACKNOWLEDGED,
    },
    "notifier-receipts": EVERY_HOP | {telemetry.RECEIPTS},
    "intake-door": EVERY_PROCESS | EVERY_DOOR | {telemetry.REFUSALS, telemetry.BAD_TRACE_HEADERS},
    "geolocate-door": EVERY_PROCESS
    | EVERY_DOOR
    | {telemetry.GEODATA_AGE, telemetry.GEODATA_BROKEN, telemetry.BAD_TRACE_HEADERS},
    "router-door": EVERY_PROCESS | EVERY_DOOR | {telemetry.RULEBOOK_REFUSED},
    "notifier-door": EVERY_PROCESS | EVERY_DOOR,
    "custody-door": EVERY_DOOR
    | {telemetry.BOOKS, telemetry.UNACCOUNTED, telemetry.DUPLICATES, telemetry.CUSTODY_ENTRIES},
}  # fmt: skip
"""Process -> metrics that it must show after the story below."""


def tip(number: int) -> bytes:
    """A baseline tip with a known Swedish victim: police and hotline get it."""
    people = [{"role": "victim", "nationalities": ["SE"]}]
    return json.dumps(
        {
            "schema": "tip-submission/1",
            "reference": f"M-{RUN}-{number}",
            "kind": "csam",
            "people": people,
            "urls": [f"https://host{number}.{RUN}.example/page"],
            "assessment": {"status": "baseline"},
        }
    ).encode()


@pytest.fixture(scope="module")
def mesh(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """Every process of the product, doors, hops and the demo agencies' end, as ``vidare up`` starts them."""
    home: Path = tmp_path_factory.mktemp("metrics")
    ProcessMesh(kafka, home, hops=()).vidare("topics", "apply")
    with Mesh(Settings(kafka=kafka, home=home, partitions=4), extra={"PYTHONPATH": str(Path.cwd())}) as made:
        yield made


def call(mesh: Mesh, name: str, path: str, body: bytes | None = None, token: str | None = None) -> int:
    """Ask a door; give the status."""
    secret = {"authorization": f"Bearer {read_secrets(mesh.settings.home)[token]}"} if token else {}
    headers = {"content-type": "application/json", "traceparent": "nonsense", **secret}
    asked = urllib.request.Request(f"http://127.0.0.1:{mesh.port_of(name)}{path}", body, headers)
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def shown(mesh: Mesh, name: str) -> Samples:
    """Every sample of a process."""
    with urllib.request.urlopen(f"http://127.0.0.1:{mesh.port_of(name)}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, tuple(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def has(samples: Samples, metric: Metric) -> bool:
    """True where at least one sample of *metric* is there."""
    names = {metric.name, f"{metric.name}_count"}
    return any(name in names for name, _ in samples)


def story(mesh: Mesh) -> None:
    """A few tips, one of them twice, one refusal in each place, one receipt that is none; every door is asked once."""
    kafka = str(mesh.settings.kafka)
    bad: list[tuple[str, bytes]] = [("traceparent", b"garbage")]
    publish(kafka, [(INBOX, tip(number), bad) for number in (1, 2, 3, 1)] + [(INBOX, b"no tip", [])])
    stray = {"schema": "receipt/1", "referral_id": str(uuid.uuid4()), "status": "acknowledged", "reference": "S-1"}
    receipts = "receipts-inbox-police-se"
    publish(kafka, [(receipts, b"no receipt", []), (receipts, json.dumps(stray).encode(), [])])
    partner = "VIDARE_TOKEN_ECPAT_SE"
    assert call(mesh, "intake-door", "/v1/tips", tip(4), partner) == 202
    assert call(mesh, "intake-door", "/v1/tips", b"no tip", partner) == 400
    assert call(mesh, "geolocate-door", "/v1/locate?ip=192.0.2.7") == 200
    assert call(mesh, "router-door", "/v1/explain?partner=ecpat-se", tip(5)) == 200
    assert call(mesh, "notifier-door", "/v1/referrals") == 401
    assert call(mesh, "custody-door", f"/v1/tips/{uuid.uuid4()}") in (404, 503)


@pytest.mark.timeout(300)
def test_every_process_shows_every_metric_that_is_its_own(mesh: Mesh) -> None:
    """Nothing on the list is without a source, and no process shows what is not on the list or a stranger's word."""
    story(mesh)
    agencies = set(load_agencies(mesh.settings).records)
    missing: dict[str, set[str]] = {}

    def complete() -> bool:
        missing.clear()
        for name, metrics in SHOWN.items():
            samples = shown(mesh, name)
            gone = {metric.name for metric in metrics if not has(samples, metric)}
            if gone:
                missing[name] = gone
        return not missing

    assert until(complete, 120), missing
    assert set().union(*SHOWN.values()) == set(METRICS.values())
    for name in SHOWN:
        for sample, found in shown(mesh, name):
            metric = metric_of(sample)
            for label, value in found:
                assert label == "le" or labels.listed(metric, label, value), (name, sample, label, value)
                assert label != "agency" or value in agencies, (name, sample, value)


@pytest.mark.timeout(120)
def test_the_numbers_are_those_of_the_story(mesh: Mesh) -> None:
    """
    Four tips, one repeat, one refusal by a client and one at the door, all delivered: the metrics say so.

    At least: the broker may hold what other tests left.
    """

    def told() -> bool:
        intake, notifier = shown(mesh, "intake-hop"), shown(mesh, "notifier-hop")
        return (
            total(intake, telemetry.REPEATS, via="kafka") >= 1
            and total(intake, telemetry.REFUSALS, via="kafka") >= 1
            and total(shown(mesh, "intake-door"), telemetry.REFUSALS, via="http") >= 1
            and total(intake, telemetry.BAD_TRACE_HEADERS) >= 4
            and total(shown(mesh, "router-hop"), "vidare_tip_age_seconds_count", to="routed") >= 4
            and total(notifier, "vidare_tip_age_seconds_count", to="delivered") >= 4
            and total(notifier, telemetry.ATTEMPTS, channel="webhook", end="delivered") >= 4
            and total(notifier, telemetry.ATTEMPTS, channel="topic", agency="police-se") >= 4
            and total(shown(mesh, "notifier-receipts"), telemetry.RECEIPTS, status="refused") >= 1
        )

    assert until(told, 60), {name: shown(mesh, name) for name in ("intake-hop", "notifier-hop")}
    assert total(shown(mesh, "notifier-hop"), telemetry.RECEIPTS, status="acknowledged") >= 4


@pytest.mark.timeout(120)
def test_a_process_that_was_killed_tells_of_it_when_it_is_back(mesh: Mesh) -> None:
    """Who ends in the middle can tell nobody; the next one in its place does."""
    os.kill(mesh.pids()["geolocate-hop"], signal.SIGKILL)

    def back() -> bool:
        try:
            return total(shown(mesh, "geolocate-hop"), telemetry.CRASHES) == 1
        except OSError:
            return False

    assert until(back, 60)


def total(samples: Samples, metric: Metric | str, **wanted: str) -> float:
    """Sum of the samples of *metric* that have the labels *wanted*."""
    name = metric if isinstance(metric, str) else metric.name
    return sum(value for (found, given), value in samples.items() if found == name and wanted.items() <= set(given))


def metric_of(sample: str) -> Metric:
    """The listed metric of a sample; fails for a stranger."""
    plain = (sample.removesuffix(end) for end in ("", "_bucket", "_count", "_sum"))
    return METRICS[next(name for name in plain if name in METRICS)]
