"""The trace viewer's parts: spans in Zipkin's form, which traces a tip has, and what is said when nothing runs."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from contracts import telemetry
from services.chassis.errors import Misconfigured
from services.chassis.settings import Settings
from services.chassis.telemetry.localtraces import LocalSink, LocalSpan
from services.chassis.telemetry.spanforms import any_value
from services.cli.commands import viewer as command
from services.cli.viewer import Viewer, jar
from services.cli.viewer.zipkin import KINDS, zipkin_span, zipkin_spans

TIP = "b3c228fb-71be-50e2-8fa3-6fdbfd57d8d9"


def a_span(**changes: Any) -> LocalSpan:
    """A consumer span of the router, or what *changes* make of it."""
    values: dict[str, Any] = {
        "trace_id": "ab" * 16, "span_id": "cd" * 8, "parent_id": None, "name": "process tips-located",
        "kind": "consumer", "service": "router", "attributes": {}, "links": (), "failed": False,
        "start_ns": 1_795_367_665_055_759_900, "end_ns": 1_795_367_665_056_759_900,
    }  # fmt: skip
    return LocalSpan(**(values | changes))


def test_a_span_keeps_its_place_and_times() -> None:
    """Ids, parent, name and service stay; times are microseconds."""
    made = zipkin_span(a_span(parent_id="ef" * 8))

    assert ("ab" * 16, "cd" * 8, "ef" * 8) == (made["traceId"], made["id"], made["parentId"])
    assert (1_795_367_665_055_759, 1_000) == (made["timestamp"], made["duration"])
    assert ("process tips-located", {"serviceName": "router"}) == (made["name"], made["localEndpoint"])


def test_what_is_empty_is_left_out() -> None:
    """A first span names no parent, an internal one neither kind nor far end."""
    made = zipkin_span(a_span(kind="internal", name="route"))

    assert made.keys().isdisjoint({"parentId", "kind", "remoteEndpoint"})


def test_no_span_lasts_nothing() -> None:
    """Below a microsecond it lasts one: 0 would mean that it has not ended."""
    span = a_span(end_ns=1_795_367_665_055_760_000)

    assert 1 == zipkin_span(span)["duration"]


@pytest.mark.parametrize(
    ("kind", "attributes", "far"),
    [
        ("consumer", {}, "kafka"),
        ("producer", {telemetry.AGENCY: "police-se"}, "kafka"),
        ("client", {telemetry.MESSAGING_SYSTEM: "kafka"}, "kafka"),
        ("client", {telemetry.AGENCY: "police-se"}, "police-se"),
        ("client", {}, None),
        ("server", {telemetry.AGENCY: "police-se"}, None),
        ("internal", {telemetry.AGENCY: "police-se"}, None),
    ],
)
def test_the_far_end_is_named_where_there_is_one(kind: str, attributes: dict[str, Any], far: str | None) -> None:
    """Broker and agencies are far ends; a caller is nobody's business, an internal step has none."""
    made = zipkin_span(a_span(kind=kind, attributes=attributes))

    assert KINDS.get(kind) == made.get("kind")
    assert far == made.get("remoteEndpoint", {}).get("serviceName")


def test_attributes_links_and_failures_become_tags() -> None:
    """Zipkin's tags are text: lists are joined, links are numbered, a failure is the tag ``error``."""
    attributes = {"vidare.countries": ["NL", "SE"], "vidare.review": True, "vidare.revision": 2}
    attributes |= {"error.type": "timeout"}
    span = a_span(attributes=attributes, links=(("12" * 16, "34" * 8), ("56" * 16, "78" * 8)), failed=True)

    assert {
        "vidare.countries": "NL, SE",
        "vidare.review": "true",
        "vidare.revision": "2",
        "error.type": "timeout",
        "error": "timeout",
        "link.0": f"{'12' * 16}/{'34' * 8}",
        "link.1": f"{'56' * 16}/{'78' * 8}",
    } == zipkin_span(span)["tags"]
    assert "true" == zipkin_spans([a_span(failed=True)])[0]["tags"]["error"]


def keep(home: Path, trace: bytes, tip: str | None) -> None:
    """Keep one span on this machine."""
    sink = LocalSink(home, Resource(attributes=[KeyValue(key="service.name", value=any_value("router"))]))
    span = Span(trace_id=trace, span_id=b"12345678", name="route")
    if tip is not None:
        span.attributes.extend([KeyValue(key=telemetry.CONVERSATION, value=any_value(tip))])
    sink.write([span.SerializeToString()])
    sink.close()


def test_all_traces_of_a_tip_are_found(tmp_path: Path) -> None:
    """A tip id leads to every trace that names it; a trace id stands for itself."""
    for trace, tip in ((b"A" * 16, TIP), (b"B" * 16, None), (b"C" * 16, TIP)):
        keep(tmp_path, trace, tip)
    settings = Settings(home=tmp_path, otlp=None)

    assert [(b"A" * 16).hex(), (b"C" * 16).hex()] == command.traces_wanted(settings, TIP)
    assert [(b"B" * 16).hex()] == command.traces_wanted(settings, (b"B" * 16).hex())
    with pytest.raises(ValueError):
        command.traces_wanted(settings, "no id")


def test_without_a_viewer_every_action_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing runs: status and send answer no, stop is content, and a stale file of a crash changes nothing."""
    settings = Settings(home=tmp_path, otlp=None)
    (tmp_path / "viewer").mkdir()
    (tmp_path / "viewer" / "viewer.json").write_text('{"pid": 1, "port": 9411}')

    assert Viewer(tmp_path).running() is None
    assert 1 == command.run(settings, "status")
    assert 1 == command.run(settings, "send", TIP)
    assert 0 == command.run(settings, "stop")
    assert "vidare viewer start" in capfd.readouterr().err


def test_spans_at_a_collector_are_not_sent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Where a collector is named nothing is kept here: the answer says where to look."""
    settings = Settings(home=tmp_path, otlp="http://127.0.0.1:4318")

    assert 1 == command.run(settings, "send", TIP)
    assert "http://127.0.0.1:4318" in capfd.readouterr().err


def test_another_jar_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A jar counts only with the digest that this version was made for."""
    file = tmp_path / jar.FILE
    with pytest.raises(Misconfigured):
        jar.check(file)
    file.write_bytes(b"another jar")
    with pytest.raises(Misconfigured, match="nothing was kept"):
        jar.check(file)

    monkeypatch.setattr(jar, "SHA256", hashlib.sha256(b"another jar").hexdigest())
    jar.check(file)


def test_without_jar_and_maven_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the jar and without Maven is told what it lacks."""
    monkeypatch.setenv("VIDARE_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Misconfigured, match="apt-get install maven"):
        jar.ensure_jar(lambda _line: None)
    assert not jar.jar_path().exists()
