"""Closed lists of telemetry: no code records a name that is not listed, and what looks like content is recognised."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts import telemetry
from contracts.topics import all_topics
from services.chassis.telemetry.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted((ROOT / "services").rglob("*.py"))

ATTRIBUTE = re.compile(r"(vidare|messaging)\.[a-z][a-z0-9_.]*")
METRIC = re.compile(r"vidare_[a-z0-9_]+")
SPAN = re.compile(r"(process|send|commit|deliver|poll|receive) [a-z{][a-z0-9{}-]*")
NOT_TELEMETRY = {"vidare.toml"}


def strings(path: Path) -> Iterator[str]:
    """Text constants of a module that are not docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    docs = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_records_only_listed_names(path: Path) -> None:
    """Every text in the code that has the form of a span attribute or metric is on the list."""
    for text in set(strings(path)) - NOT_TELEMETRY:
        if ATTRIBUTE.fullmatch(text):
            assert text in telemetry.ATTRIBUTES, f"{text}: add it to contracts.telemetry.ATTRIBUTES, with its meaning"
        if METRIC.fullmatch(text):
            assert text in telemetry.METRICS, f"{text}: add it to contracts.telemetry, with type, unit and labels"


def test_the_search_finds_a_stranger(tmp_path: Path) -> None:
    """A module that records an unlisted attribute has it among its texts."""
    module = tmp_path / "stranger.py"
    module.write_text('"""vidare.in_a_docstring"""\nspan.set("vidare.unheard_of", 1)\n')

    assert [text for text in strings(module) if ATTRIBUTE.fullmatch(text)] == ["vidare.unheard_of"]


def test_every_topic_of_events_has_its_three_spans() -> None:
    """Whoever is onboarded, processing, sending and committing any topic has a listed name."""
    for topic in all_topics(["ecpat-se", "inhope-peer"], ["hotline-nl", "police-se"]):
        if topic.name == "custody" or topic.name.startswith("changelog-"):
            continue
        for operation in (telemetry.PROCESS, telemetry.SEND, telemetry.COMMIT):
            assert telemetry.span_name(operation, topic.name) in telemetry.SPANS


@pytest.mark.parametrize(
    ("topic", "template"),
    [
        ("tips-inbox-ecpat-se", "tips-inbox-{partner}"),
        ("tips-inbox-ecpat-se-urgent", "tips-inbox-{partner}-urgent"),
        ("tips-status-ncmec", "tips-status-{partner}"),
        ("referrals-agency-hotline-de-eco", "referrals-agency-{agency}"),
        ("receipts-inbox-police-se", "receipts-inbox-{agency}"),
        ("tips-received-urgent", "tips-received-urgent"),
    ],
)
def test_a_party_is_left_out_of_a_name(topic: str, template: str) -> None:
    """Names of spans and labels of metrics do not grow with partners and agencies."""
    assert telemetry.topic_template(topic) == template


def test_every_metric_can_be_made_and_rendered() -> None:
    """Types, units and buckets of the list make a valid registry, and each metric carries its name."""
    metrics = Metrics()
    for metric in telemetry.METRICS.values():
        labels = dict.fromkeys(metric.labels, "x")
        if metric.type == "histogram":
            metrics.observe(metric, 1, **labels)
        elif metric.type == "gauge":
            metrics.level(metric, 1, **labels)
        else:
            metrics.count(metric, 1, **labels)

    text = metrics.render().decode()
    for metric in telemetry.METRICS.values():
        assert f"# TYPE {metric.name.removesuffix('_total')}" in text


def test_a_label_outside_the_list_raises() -> None:
    """A tip can never become a label."""
    with pytest.raises(KeyError, match="vidare_refusals_total"):
        Metrics().count(telemetry.REFUSALS, tip="x")


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("see https://host.example/a", "url"),
        ("hxxp://host.example", "url"),
        ("at 192.0.2.7:443", "ipv4"),
        ("2001:db8::1", "ipv6"),
        ("fe80:0:0:0:1:2:3:4", "ipv6"),
        ("someone@mail.example", "mail"),
        ("da39a3ee5e6b4b0d3255bfef95601890afd80709", "hash"),
        ("x" * 201, "text"),
        ("two\nlines", "text"),
    ],
)
def test_what_looks_like_a_tips_content_is_recognised(value: str, shape: str) -> None:
    """URL, address, mail address, hash and long text have a name each."""
    assert telemetry.forbidden_shape(value) == shape


@pytest.mark.parametrize(
    "value",
    [
        "P0", "hotline-de-eco", "R08", "ipfire=2026-06-25", "0193f3a0-0000-7000-8000-0000000000e0", "4bf92f3577b34da6",
        "2026-11-22T09:15:00.000Z", "tips-inbox-{partner}", "1.45.2", "referrals-agency-hotline-nl", "12:30:45",
    ],
)  # fmt: skip
def test_our_own_words_are_not_taken_for_content(value: str) -> None:
    """Ids, codes, dates and topics pass."""
    assert telemetry.forbidden_shape(value) is None
