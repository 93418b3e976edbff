"""Traces kept locally: what is written is found, whoever wrote it, also when the last write was torn."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from services.chassis.telemetry.localtraces import LocalSink, segments, spans_of, traces_linked_to
from services.chassis.telemetry.spanforms import any_value


def resource(service: str) -> Resource:
    """A resource with a service's name."""
    return Resource(attributes=[KeyValue(key="service.name", value=any_value(service))])


def some_span(trace: bytes, number: int, *, linked: bytes | None = None) -> bytes:
    """A serialised span."""
    span = Span(trace_id=trace, span_id=number.to_bytes(8, "big"), name="locate", start_time_unix_nano=1_000 - number)
    span.attributes.extend(
        [KeyValue(key="vidare.countries", value=any_value(["NL"])), KeyValue(key="k", value=any_value(number))]
    )
    if linked is not None:
        span.links.add(trace_id=linked, span_id=b"parentid")
    made: bytes = span.SerializeToString()
    return made


A, B = b"A" * 16, b"B" * 16


def test_a_trace_is_read_back_from_all_processes(tmp_path: Path) -> None:
    """Spans of one trace come together from several segments, by time, with their services."""
    for service, numbers in (("intake", (1, 2)), ("router", (3,))):
        sink = LocalSink(tmp_path, resource(service))
        sink.write([some_span(A, number) for number in numbers] + [some_span(B, 9)])
        sink.close()

    found = spans_of(tmp_path, A.hex())

    assert [(span.service, int(span.span_id, 16)) for span in found] == [("router", 3), ("intake", 2), ("intake", 1)]
    assert found[0].attributes == {"vidare.countries": ["NL"], "k": 3}


def test_links_lead_to_other_traces(tmp_path: Path) -> None:
    """A late attempt is found by the trace that it links to, and is no span of it."""
    sink = LocalSink(tmp_path, resource("notifier"))
    sink.write([some_span(A, 1), some_span(B, 2, linked=A)])
    sink.close()

    assert traces_linked_to(tmp_path, A.hex()) == [B.hex()]
    assert [int(span.span_id, 16) for span in spans_of(tmp_path, A.hex())] == [1]
    assert spans_of(tmp_path, B.hex())[0].links == ((A.hex(), b"parentid".hex()),)


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(1, 400), noise=st.binary(max_size=40))
def test_a_torn_tail_hides_nothing_before_it(tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes) -> None:
    """Whatever a crash leaves at the end of a segment, the whole spans before it are read."""
    home = tmp_path_factory.mktemp("home")
    sink = LocalSink(home, resource("router"))
    sink.write([some_span(A, number) for number in range(10)])
    sink.close()
    path = segments(home / "traces")[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut] + noise)

    found = spans_of(home, A.hex())

    size = len(some_span(A, 1)) + 32
    assert len(found) >= 10 - (cut // size + 1)
    assert {int(span.span_id, 16) for span in found} == set(range(len(found)))


def test_segments_rotate_and_the_oldest_go(tmp_path: Path) -> None:
    """A full segment is followed by another, and the folder stays below its limit."""
    sink = LocalSink(tmp_path, resource("router"), segment_bytes=10_000, total_bytes=40_000)
    for number in range(1_000):
        sink.write([some_span(A if number < 500 else B, number)])
    sink.close()

    kept = segments(tmp_path / "traces")
    assert 2 <= len(kept) <= 4
    assert sum(path.stat().st_size for path in kept) <= 40_000
    assert not spans_of(tmp_path, A.hex())
    assert int(spans_of(tmp_path, B.hex())[0].span_id, 16) == 999


def test_a_machine_without_traces_has_none(tmp_path: Path) -> None:
    """No folder, an empty file, a file of something else: no span and no error."""
    assert spans_of(tmp_path, A.hex()) == []
    folder = tmp_path / "traces"
    folder.mkdir()
    (folder / "1.spans").write_bytes(b"")
    (folder / "2.spans").write_bytes(b"something else " + A)

    assert spans_of(tmp_path, A.hex()) == []
