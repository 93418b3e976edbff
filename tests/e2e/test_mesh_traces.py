"""Every step of every tip has its span: held against the records that the hops wrote."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from contracts import headers as h
from contracts import telemetry, topics
from services.chassis.hop import Record
from services.chassis.running.memory_run import Fed
from services.chassis.telemetry.localtraces import LocalSpan, traces_naming
from services.chassis.telemetry.tracecontext import parse_traceparent, trace_of_tip
from services.cli.demo.tips import read_tips
from tests.support.chain import Chain, chain, orphans, roots

UNTRACED = (topics.CUSTODY, topics.CHANGELOG)
"""Entries and state are no events: they have no spans of their own."""
READ = (topics.RECEIVED, topics.LOCATED, topics.ROUTED, topics.OUTCOMES, topics.RECEIPTS_CHECKED)
"""Beginnings of the topics that a hop of the mesh reads."""
EACH_TIP = {
    "process tips-inbox-{partner}",
    "send tips-received",
    "send tips-status-{partner}",
    "process tips-received",
    "locate",
    "send tips-located",
    "process tips-located",
    "route",
    "send decisions",
}
EACH_REFERRAL = {"send referrals-routed", "process referrals-routed", "send deliveries"}
INBOX = topics.inbox("ecpat-se")
OUTSIDE = b"00-%s-%s-01" % (b"ab" * 16, b"cd" * 8)


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Chain]:
    """All demo tips of all partners, through all hops; every agency acknowledges what it gets."""
    async with chain(tmp_path) as made:
        await made.feed(*(Fed(tip.record.topic, tip.value) for tip in read_tips()))
        await made.feed(*map(acknowledged, fed_to_agencies(made)))
        yield made


def fed_to_agencies(mesh: Chain) -> list[Record]:
    """Every referral that stands in an agency's topic."""
    return [record for record in mesh.all_records() if record.topic.startswith(topics.AGENCY)]


def acknowledged(referral: Record) -> Fed:
    """The agency's receipt for *referral*, as its own client writes it."""
    receipt = {"schema": "receipt/1", "referral_id": orjson.loads(referral.value or b"")["referral_id"]}
    body = orjson.dumps(receipt | {"status": "acknowledged", "reference": "K-1"})
    return Fed(topics.RECEIPTS_INBOX + referral.topic.removeprefix(topics.AGENCY), body)


def events_of(mesh: Chain) -> list[Record]:
    """Every event that a hop wrote."""
    return [each for each in mesh.all_records() if each.header(h.CE_ID) and not each.topic.startswith(UNTRACED)]


def text(record: Record, name: str) -> str:
    """A header's value."""
    return (record.header(name) or b"").decode()


def plain(name: str) -> str:
    """A span's name, whichever lane it was."""
    return name.removesuffix(topics.URGENT)


async def test_every_tip_has_one_whole_trace(demo: Chain) -> None:
    """Each accepted tip is one trace with every step of it, told by its id, and no span of it hangs in the air."""
    traces = demo.traces()
    tips = {text(record, h.VIDARE_TIP) for record in events_of(demo) if record.topic.startswith(topics.RECEIVED)}
    referrals = Counter(text(each, h.VIDARE_TIP) for each in events_of(demo) if each.topic.startswith(topics.ROUTED))

    assert len(tips) > 60
    assert sum(referrals.values()) > 60
    for tip in tips:
        assert traces_naming(demo.home, tip) == [trace_of_tip(tip).hex()]
        spans = traces[trace_of_tip(tip).hex()]
        names = {plain(span.name) for span in spans}
        assert EACH_TIP <= names
        assert not referrals[tip] or EACH_REFERRAL <= names
        assert orphans(spans) == []


async def test_every_event_was_sent_by_one_span(demo: Chain) -> None:
    """Each event in a topic has exactly one ``send`` span, whose context stands in its ``traceparent``."""
    sent = defaultdict(list)
    for span in demo.spans():
        if span.kind == "producer":
            sent[span.attributes[telemetry.MESSAGE_ID]].append(span)

    events = events_of(demo)

    assert len(events) > 500
    for record in events:
        (span,) = sent.pop(text(record, h.CE_ID))
        assert span.name == telemetry.span_name(telemetry.SEND, record.topic)
        carried = _context(record)
        if record.topic.startswith(topics.AGENCY):
            assert carried == span.links[0], "an agency gets a context of its own, linked here"
            assert carried[0] != span.trace_id
        else:
            assert carried == (span.trace_id, span.span_id)
    assert sent == {}


async def test_every_event_that_is_read_was_worked_below_its_sender(demo: Chain) -> None:
    """Each event for a hop has one ``process`` span, below and linked to its sender's; a receipt's below its tip's."""
    worked = worked_by(demo)

    for record in events_of(demo):
        if record.topic.startswith(READ):
            span = worked[text(record, h.CE_ID)]
            assert span.name == telemetry.span_name(telemetry.PROCESS, record.topic)
            if record.topic == topics.RECEIPTS_CHECKED:
                assert span.trace_id == trace_of_tip(str(span.attributes[telemetry.CONVERSATION])).hex()
            else:
                assert (span.trace_id, span.parent_id) == _context(record)
                assert span.links == (_context(record),)


async def test_a_receipts_own_trace_is_linked(demo: Chain) -> None:
    """From the tip's trace a link leads to where the agency's answer came in and was checked."""
    worked = worked_by(demo)

    checked = demo.records(topics.RECEIPTS_CHECKED)

    assert checked
    for record in checked:
        assert _context(record) in worked[text(record, h.CE_ID)].links


def worked_by(mesh: Chain) -> dict[object, LocalSpan]:
    """The ``process`` span of each event, by the event's id."""
    return {span.attributes[telemetry.MESSAGE_ID]: span for span in mesh.spans() if span.kind == "consumer"}


async def test_nothing_begins_in_the_middle(demo: Chain) -> None:
    """A trace of a tip begins at the sender's record, and nowhere else."""
    for tip in {text(record, h.VIDARE_TIP) for record in events_of(demo) if record.topic.startswith(topics.RECEIVED)}:
        begun = {plain(span.name) for span in roots(demo.traces()[trace_of_tip(tip).hex()])}

        assert begun == {"process tips-inbox-{partner}"}


async def test_a_partners_trace_is_followed_to_the_end(tmp_path: Path) -> None:
    """A tip that a partner sends with its own context stays in that trace, to the last delivery."""
    tip = next(each for each in read_tips() if each.partner == "ecpat-se" and each.reference and not each.urgent)

    async with chain(tmp_path) as mesh:
        await mesh.feed(Fed(INBOX, tip.value, headers=[(h.TRACEPARENT, OUTSIDE)]))

        (tip_id,) = {text(record, h.VIDARE_TIP) for record in events_of(mesh)}
        assert traces_naming(mesh.home, tip_id) == ["ab" * 16]
        (first,) = orphans(mesh.traces()["ab" * 16])
        assert ("process tips-inbox-{partner}", "cd" * 8) == (first.name, first.parent_id)


def _context(record: Record) -> tuple[str, str]:
    context = parse_traceparent(record.header(h.TRACEPARENT))
    assert context is not None
    return context.trace_id.hex(), context.span_id.hex()
