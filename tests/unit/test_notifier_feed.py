"""Feed numbers: gapless and chained in every order of events, so that a receiver alone sees what is withheld."""

from datetime import timedelta
from uuid import UUID

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.events import ReferralRouted
from contracts.onboarding import Agency
from contracts.referral import FeedMark
from contracts.vocabulary import Action, Priority
from services.chassis.running.memory_run import Fed, MemoryRun, run_in_memory
from services.notifier.delivering.attempt import AttemptEnd, read_body
from services.notifier.delivering.delivery import begin
from services.notifier.documents.feed import Feed, digest_of
from services.notifier.hop import NotifierHop
from services.notifier.onboarded import Onboarded
from tests.support.notifier_orders import OrderedWorld, feed_of, gaps
from tests.support.notifier_world import START, a_referral, an_agency

WEBHOOK = {"channels": ["webhook"]}


def withdrawal(of: ReferralRouted, number: int) -> ReferralRouted:
    """The notice that takes *of* back."""
    notice = a_referral(number, action=Action.WITHDRAWN, replaces=of.referral_id)
    return notice.model_copy(update={"tip_id": of.tip_id})


def marks(documents: list[bytes]) -> list[FeedMark]:
    """The feed marks of *documents*."""
    return [FeedMark.model_validate(orjson.loads(raw)["feed"]) for raw in documents]


def test_the_first_document_begins_the_chain_and_each_names_the_one_before() -> None:
    """1, 2, 3, and each previous is the digest of the bytes before it, as sent."""
    world = OrderedWorld()
    for number in range(3):
        world.refer(a_referral(number))
    world.run()
    documents = feed_of(world)

    assert [1, 2, 3] == [mark.number for mark in marks(documents)]
    assert [None, *(digest_of(raw) for raw in documents[:2])] == [mark.previous for mark in marks(documents)]
    assert documents == [read_body(effect.body)[1] for _, effect in world.sent]


def test_every_agency_has_a_feed_of_its_own() -> None:
    """One agency's numbers tell nothing of another's."""
    world = OrderedWorld(an_agency(), an_agency(id="hotline-de"))
    for number, agency in enumerate(("hotline-nl", "hotline-de", "hotline-nl")):
        world.refer(a_referral(number, destination=agency))

    assert [1, 2] == [mark.number for mark in marks(feed_of(world))]
    assert [1] == [mark.number for mark in marks(feed_of(world, "hotline-de"))]


def test_a_repeat_takes_no_number() -> None:
    """The same referral again, as after an aborted transaction, is not numbered again."""
    world = OrderedWorld()
    for _ in range(2):
        world.refer(a_referral(1))
    world.refer(a_referral(2))

    assert [1, 2] == [mark.number for mark in marks(feed_of(world))]


def test_a_test_referral_stands_in_the_same_feed() -> None:
    """``is_test`` has no numbers of its own: the conformance kit meets those of the live feed."""
    world = OrderedWorld()
    world.refer(a_referral(1))
    world.refer(a_referral(2, is_test=True))

    assert [1, 2] == [mark.number for mark in marks(feed_of(world))]


def test_what_is_kept_for_a_removed_agency_is_numbered_when_it_goes_out() -> None:
    """E83: numbers are given to documents, not to referrals that wait for an agency to come back."""
    world = OrderedWorld(an_agency(id="hotline-de"))
    world.refer(a_referral(1))
    world.onboard(an_agency())
    world.refer(a_referral(2))
    world.run(timedelta(hours=25))

    assert [1, 2] == [mark.number for mark in marks(feed_of(world))]
    assert not gaps(feed_of(world))


def test_a_referral_withdrawn_before_it_was_sent_is_accounted_for() -> None:
    """Without a topic the receiver sees a gap, and the withdrawal names its number with the digest of its bytes."""
    world = OrderedWorld(an_agency(**WEBHOOK, concurrency=1), takes=timedelta(seconds=2))
    under_way, waiting = a_referral(1), a_referral(2)
    for event in (under_way, waiting, withdrawal(waiting, 3)):
        world.refer(event)
    world.run(timedelta(minutes=1))
    documents = [read_body(effect.body)[1] for _, effect in world.sent]

    assert [1, 3] == [mark.number for mark in marks(documents)]
    assert [2] == [one.number for one in marks(documents)[1].skipped]
    assert [] == gaps(documents)


def test_a_notice_that_is_never_sent_itself_passes_on_what_it_would_have_named() -> None:
    """The numbers that a document names are not lost with it."""
    world = OrderedWorld(an_agency(**WEBHOOK))
    world.order("pause")
    first, second, third = (a_referral(number) for number in (1, 2, 3))
    for event in (first, withdrawal(first, 4)):
        world.refer(event)
    world.order("close", referral=a_referral(4).referral_id)
    world.refer(second)
    world.refer(third)
    world.order("resume")
    world.run(timedelta(minutes=1))
    documents = [read_body(effect.body)[1] for _, effect in world.sent]

    assert [3, 4] == [mark.number for mark in marks(documents)]
    assert [1, 2] == [one.number for one in marks(documents)[0].skipped]
    assert [] == gaps(documents)


def test_more_skipped_numbers_than_one_document_names_go_into_the_next() -> None:
    """A document stays small, and no number is forgotten."""
    feed, row = Feed(), begin(a_referral(1), an_agency(**WEBHOOK), START, document=b"{}")
    for number in range(150):
        feed = feed.without(row.model_copy(update={"number": number + 1}))
    first = feed.next()
    second = feed.sent(b"{}").next()

    assert list(range(1, 151)) == [one.number for one in (*first.skipped, *second.skipped)]
    assert [100, 50] == [len(first.skipped), len(second.skipped)]


def test_a_receiver_sees_what_is_withheld() -> None:
    """The check of these tests finds a document left out, and one exchanged for another."""
    world = OrderedWorld()
    for number in range(4):
        world.refer(a_referral(number))
    documents = feed_of(world)
    forged = documents[1].replace(b'"csam"', b'"other"')

    assert [] == gaps(documents)
    assert ["3 is missing"] == gaps([documents[0], documents[1], documents[3]])
    assert ["3 does not follow 2"] == gaps([documents[0], forged, *documents[2:]])


class Seals:
    """Stands for the sealing of documents: other bytes than the document's."""

    def seal(self, document: bytes, agency: Agency) -> bytes:
        """Five parts, as a JWE has them."""
        return b".".join([digest_of(document).encode(), agency.id.encode(), b"", b"", b""])


@pytest.mark.parametrize("sealer", [None, Seals()])
async def test_topic_records_carry_number_and_previous_in_headers(sealer: Seals | None) -> None:
    """A sealed document can be followed too: the headers name number and digest of the bytes before, as sent."""
    agency = an_agency(channels=["topic"])
    hop = NotifierHop(Onboarded({agency.id: agency}), partitions=1, proofs="http://127.0.0.1:8105", sealer=sealer)
    run = await run_in_memory(hop, [routed(1), routed(2)], now=lambda: START)
    first, second = run.records("referrals-agency-hotline-nl")

    assert (b"1", None) == (first.header("vidare-feed-number"), first.header("vidare-feed-previous"))
    assert b"2" == second.header("vidare-feed-number")
    assert digest_of(first.value or b"").encode() == second.header("vidare-feed-previous")


async def test_a_commit_that_fails_takes_no_number() -> None:
    """The process dies in the middle of a transaction: the next one goes on with the same number."""
    agency = an_agency(channels=["topic"])
    hop = NotifierHop(Onboarded({agency.id: agency}), partitions=1, proofs="http://127.0.0.1:8105")

    def dies(_who: str, _outs: object) -> None:
        raise RuntimeError("the broker is gone")

    async with MemoryRun(hop, now=lambda: START) as run:
        broker = run.broker
        await run.feed(routed(1))
        await run.settle()
        broker.before_commit = dies
        await run.feed(routed(2))
        with pytest.raises(Exception, match="the broker is gone"):
            await run.settle()
    broker.before_commit = lambda _who, _outs: None
    async with MemoryRun(hop, broker=broker, now=lambda: START) as again:
        await again.feed(routed(3))
        await again.settle()
    documents = [record.value or b"" for record in broker.records("referrals-agency-hotline-nl")]

    assert [1, 2, 3] == [mark.number for mark in marks(documents)]
    assert [] == gaps(documents)


def routed(number: int) -> Fed:
    """A routed referral as the router writes it."""
    event = a_referral(number)
    return Fed(
        "referrals-routed",
        event.model_dump_json(by_alias=True).encode(),
        b"hotline-nl",
        [("ce_id", str(event.referral_id).encode())],
    )


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("refer"), st.integers(1, 12)),
        st.tuples(st.just("withdraw"), st.integers(1, 12)),
        st.tuples(st.just("acknowledge"), st.integers(1, 12)),
        st.tuples(st.just("close"), st.integers(1, 12)),
        st.tuples(st.just("redeliver"), st.integers(1, 12)),
        st.tuples(st.just("pass"), st.integers(1, 3000)),
        st.tuples(st.sampled_from(["pause", "resume", "crash"]), st.just(0)),
    ),
    max_size=40,
)


def play(world: OrderedWorld, what: str, number: int) -> None:
    """One step of a history."""
    event = a_referral(number, priority=Priority.P0 if number % 5 == 0 else Priority.P2)
    if what == "refer":
        world.refer(event)
    elif what == "withdraw":
        world.refer(withdrawal(event, number + 100))
    elif what == "acknowledge":
        world.answer(event.referral_id, "acknowledged", reference="NL-1")
    elif what in ("close", "redeliver"):
        world.order(what, referral=event.referral_id, by=("duty-7", "duty-2"))
    elif what == "pass":
        world.run(timedelta(seconds=number))
    elif what == "crash":
        world.restart()
    else:
        world.order(what)


@given(steps=STEPS, channels=st.sampled_from([["webhook"], ["topic"], ["webhook", "topic"]]), down=st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_history_gives_numbers_without_gap_or_double(
    steps: list[tuple[str, int]], channels: list[str], *, down: bool
) -> None:
    """Whatever happens, a receiver of everything that was sent holds 1 to n, each once, each following the other."""
    ends = [AttemptEnd(status=503), AttemptEnd(status=200)] if down else [AttemptEnd(status=200)]
    world = OrderedWorld(
        an_agency(channels=channels, concurrency=2), plays=lambda _effect, now: ends[now.second % len(ends)]
    )
    for what, number in steps:
        play(world, what, number)
    world.order("resume")
    world.plays = lambda _effect, _now: AttemptEnd(status=200)
    world.run(timedelta(days=3))
    world.refer(a_referral(99))
    world.run(timedelta(minutes=10))
    # Under way at a crash and withdrawn since: the document is deleted, and nothing leaves.
    pushed = [document for _, effect in world.sent if (document := read_body(effect.body)[1])]
    by_referral: dict[UUID, set[bytes]] = {}
    for raw in [*pushed, *feed_of(world)]:
        by_referral.setdefault(UUID(orjson.loads(raw)["referral_id"]), set()).add(raw)

    assert all(len(versions) == 1 for versions in by_referral.values())
    received = feed_of(world) if "topic" in channels else pushed
    assert [] == gaps(received)
    numbers = {mark.number for mark in marks(received)} | {
        one.number for mark in marks(received) for one in mark.skipped
    }
    assert numbers == set(range(1, max(numbers) + 1))
    if "topic" in channels:
        assert [mark.number for mark in marks(received)] == sorted(numbers)
