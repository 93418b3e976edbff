"""A tip through two hops of the real runner: one trace, every span below its parent, nobody else's span in it."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid5

from contracts import telemetry
from services.chassis.broker.memory import MemoryBroker
from services.chassis.hop import NAMESPACE, Emit, Entry, Input, Lane, Outcome, TaskSpec, View, same_partition_topics
from services.chassis.running.memory_run import Fed, MemoryRun
from services.chassis.settings import Settings
from services.chassis.telemetry.localtraces import LocalSpan, spans_of
from services.chassis.telemetry.recording import hop_recorder
from services.chassis.telemetry.tracecontext import trace_of_tip
from services.cli.commands.waterfall import tree


class PassOn:
    """A hop that writes one event for each record."""

    untrusted = False

    def __init__(self, name: str, source: str, target: str, *, agency: str | None = None) -> None:
        self.name = name
        self._source = source
        self._target = target
        self._agency = agency

    def tasks(self) -> Sequence[TaskSpec]:
        """One task."""
        return same_partition_topics([Lane(self._source)], 1, changelog=None)

    def decide(self, given: Input, _view: View) -> Outcome:
        """Pass the record on."""
        tip = str(uuid5(NAMESPACE, (given.record.value or b"").decode())) if given.record else None
        emit = Emit(
            self._target, "key", "x/1", (given.record.value or b"") if given.record else b"", tip=tip,
            to=self._agency, expects_entry=self._agency is None, fresh_trace=self._agency is not None,
        )  # fmt: skip
        attributes: dict[str, str | int | float | bool | list[str]] = {telemetry.COUNTRIES: ["NL"]}
        return Outcome(events=[emit], entries=[Entry("hop.geolocated", tip, "test")], attributes=attributes, tip=tip)


async def worked(home: Path, tips: int) -> tuple[MemoryBroker, dict[str, list[LocalSpan]]]:
    """Run *tips* tips through three hops; return the broker and the kept spans by trace."""
    broker = MemoryBroker(auto_partitions=1)
    hops = [
        PassOn("geolocate", "tips-received", "tips-located"),
        PassOn("router", "tips-located", "referrals-routed"),
        PassOn("notifier", "referrals-routed", "referrals-agency-hotline-nl", agency="hotline-nl"),
    ]
    for hop in hops:
        recorder = hop_recorder(Settings(home=home), hop.name)
        async with MemoryRun(hop, broker=broker, recorder=recorder) as run:
            if hop.name == "geolocate":
                await run.feed(
                    *(
                        Fed("tips-received", b"%d" % n, b"key", [("ce_id", str(UUID(int=n + 1)).encode())])
                        for n in range(tips)
                    )
                )
            await run.settle()
        recorder.close()
    traces = [trace_of_tip(str(uuid5(NAMESPACE, str(n)))).hex() for n in range(tips)]
    return broker, {trace: spans_of(home, trace) for trace in traces}


async def test_one_trace_per_tip_whole_and_unmixed(tmp_path: Path) -> None:
    """100 tips, 100 traces: each has every span of its own way and none of another's, all below one root."""
    _, traces = await worked(tmp_path, 100)

    for spans in traces.values():
        names = [span.name for span in spans if not span.name.startswith("commit")]
        assert sorted(names) == [
            "locate", "process referrals-routed", "process tips-located", "process tips-received", "route",
            "send referrals-agency-{agency}", "send referrals-routed", "send tips-located",
        ]  # fmt: skip
        rows = tree(spans)
        assert [row.depth for row in rows].count(0) == 1
        assert not any(row.orphan for row in rows)
        assert len({str(span.attributes.get("messaging.message.conversation_id", "")) for span in spans} - {""}) == 1


async def test_each_process_span_is_below_the_send_that_led_to_it(tmp_path: Path) -> None:
    """The edge between two services: the reader's span is a child of the writer's send span, and links to it."""
    _, traces = await worked(tmp_path, 1)
    (spans,) = traces.values()
    by_name = {span.name: span for span in spans}

    for topic in ("tips-located", "referrals-routed"):
        send, process = by_name[f"send {topic}"], by_name[f"process {topic}"]
        assert process.parent_id == send.span_id
        assert process.links == ((send.trace_id, send.span_id),)
        assert process.service != send.service


async def test_an_agency_cannot_join_our_trace(tmp_path: Path) -> None:
    """The document's traceparent names a trace of its own; our span links to it."""
    broker, traces = await worked(tmp_path, 1)
    (spans,) = traces.values()
    (document,) = broker.records("referrals-agency-hotline-nl")
    header = (document.header("traceparent") or b"").decode()
    sent = next(span for span in spans if span.name == "send referrals-agency-{agency}")

    assert sent.links == ((header[3:35], header[36:52]),)
    assert header[3:35] not in traces
    assert sum(name == "traceparent" for name, _ in document.headers) == 1
