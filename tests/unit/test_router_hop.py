"""What the hop makes of decisions over time: groups, versions, takedowns that wait, answers, people."""

from collections import Counter
from datetime import timedelta
from typing import Any

import orjson
import pytest

from contracts import topics
from contracts.events import DecisionRecorded, ReferralRouted, ReviewAsked
from contracts.referral import TipStatus
from contracts.vocabulary import AssessmentStatus, Kind, Nack, Signal
from services.chassis.errors import Poison
from tests.support.router_world import Room, actions, told
from tests.support.tips import URGENT, a_tip, edge, host, suspect, unsure, victim

UNASSESSED = AssessmentStatus.UNASSESSED
DAY = timedelta(days=1)


@pytest.fixture
def room() -> Room:
    """A router that has seen nothing."""
    return Room()


def facts(account: int = 0, **more: Any) -> dict[str, Any]:
    """Facts of one viral file, told by one account."""
    return {
        "fingerprints": ("url:1", "hash:1", f"account:{account}"),
        "account_count": 1,
        "people": (victim("SE"),),
        **more,
    }


def test_every_event_is_what_its_contract_says(room: Room) -> None:
    """
    What is built by hand is read by the contract's own models.
    """
    room.locate(a_tip("NL", unsure("CA", "MU"), people=(victim("SE"),)))

    referral = ReferralRouted.model_validate(room.bodies(topics.ROUTED)[0])
    decision = DecisionRecorded.model_validate(room.bodies(topics.DECISIONS)[0])
    review = ReviewAsked.model_validate(room.bodies(topics.REVIEWS)[0])
    status = TipStatus.model_validate(room.bodies(topics.STATUS + "ecpat-se")[0])
    assert referral.content.narrative == "neutral invented text"
    assert [to.id for to in decision.destinations] == ["hotline-nl", "interpol-iccam", "police-se", "review"]
    assert review.state == "open"
    assert review.reasons == ("R20",)
    assert status.destinations == ("hotline", "interpol", "police", "review")


def test_no_recorded_decision_and_no_key_holds_content(room: Room) -> None:
    """
    Decisions and keys tell facts and ids, never what a tip says.
    """
    room.locate(a_tip("NL", people=(victim("SE"),)))

    for event in room.events:
        assert "host.example" not in event.key
        if not event.topic.startswith(topics.ROUTED):
            assert b"host.example" not in event.body
            assert b"neutral invented text" not in event.body


def test_urgent_referrals_take_the_urgent_lane(room: Room) -> None:
    """
    The lane follows the destination's priority.
    """
    emits = room.locate(a_tip("NL", **URGENT))

    assert {emit.topic for emit in emits} == {topics.ROUTED + topics.URGENT}


def test_the_books_learn_every_referral(room: Room) -> None:
    """
    The custody entry names the referrals that must be seen again.
    """
    emits = room.locate(a_tip("NL"))

    tally = room.entry("hop.routed").tally
    assert sorted(tally["referrals"]) == sorted(body["referral_id"] for body in told(emits).values())  # type: ignore[call-overload]
    assert all(emit.expects_entry for emit in emits)
    assert (tally["version"], tally["px"], tally["review"], tally["sighting"]) == (1, None, False, False)


def test_the_same_event_again_writes_only_its_entry(room: Room) -> None:
    """
    A replayed record leads to no second referral (E81).
    """
    tip = a_tip("NL")
    room.locate(tip)

    again = room.locate(tip)

    assert again == []
    assert room.entry("hop.routed").basis == {"repeat": True}


def test_e45_takedown_waits_for_the_police(room: Room) -> None:
    """
    The police get it first; their acknowledgement lets the takedown go.
    """
    first = told(room.locate(a_tip("SE")))

    released = room.answer(first["police-se"], "acknowledged")

    assert set(first) == {"police-se"}
    assert actions(released) == {"takedown-se": "new"}
    assert room.wait(2 * DAY) == []


def test_e45_takedown_goes_after_a_day_without_an_answer(room: Room) -> None:
    """
    A silent agency does not keep material online.
    """
    room.locate(a_tip("SE"))

    assert actions(room.wait(DAY)) == {"takedown-se": "new"}


def test_e45_urgent_takedown_is_released_by_the_police_alone(room: Room) -> None:
    """
    At P0 and P1 neither time nor a mere acknowledgement lets it go; the police's act does.
    """
    first = told(room.locate(a_tip("SE", **URGENT)))

    assert room.wait(10 * DAY) == []
    assert room.answer(first["police-se"], "acknowledged") == []
    assert actions(room.answer(first["police-se"], "actioned")) == {"takedown-se": "new"}


def test_r39_holds_the_takedown_and_takes_the_others_back(room: Room) -> None:
    """
    An active investigation: the police go on, the hotline's copy is withdrawn, a person decides the rest.
    """
    first = told(room.locate(a_tip("SE", host("NL", domain="b.example"))))

    after = room.answer(first["police-se"], "active_investigation")

    assert actions(after) == {"hotline-nl": "withdrawn", "interpol-iccam": "withdrawn"}
    assert room.bodies(topics.REVIEWS)[-1]["reasons"] == ["R39"]
    assert room.wait(5 * DAY) == []


def test_e63_one_viral_file_is_one_referral_with_a_count_for_removal(room: Room) -> None:
    """
    5,000 accounts: each is news for the police, related to the first; the hotline gets one referral and the counts.

    The row of the group does not grow with them.
    """
    kinds: Counter[tuple[str, str]] = Counter()
    sizes: list[int] = []
    for n in range(5_000):
        for agency, body in told(room.locate(a_tip("NL", reference=f"V-{n}", **facts(n)))).items():
            kinds[agency, body["action"]] += 1
            assert agency != "police-se" or bool(body["related"]) is (n > 0)
        sizes.append(len(room.store.get("group/" + "0" * 32) or b""))

    assert kinds["police-se", "new"] == 5_000
    assert kinds["hotline-nl", "new"] == kinds["interpol-iccam", "new"] == 1
    notices = [
        b["sightings"]
        for b in room.bodies(topics.ROUTED)
        if b["action"] == "sightings" and b["destination"] == "hotline-nl"
    ]
    assert notices == [2, 10, 100, 1_000]
    assert max(sizes) < sizes[0] + 20


def test_e63_a_sign_of_danger_in_a_later_tip_goes_out_at_once(room: Room) -> None:
    """
    Tip 3,001 of the same file, a child in crisis: its own urgent referral to all, related to the first.
    """
    first = told(room.locate(a_tip("NL", reference="V-1", **facts())))
    for n in range(2, 3_001):
        room.locate(a_tip("NL", reference=f"V-{n}", **facts()))

    danger = room.locate(a_tip("NL", reference="V-3001", **facts(signals=(Signal.CRISIS,))))

    assert actions(danger) == {"hotline-nl": "new", "interpol-iccam": "new", "police-se": "new"}
    assert {emit.topic for emit in danger} == {topics.ROUTED + topics.URGENT}
    for agency, body in told(danger).items():
        assert (body["priority"], body["group"]) == ("P0", "0" * 32)
        assert body["related"] == [first[agency]["referral_id"]]


def test_e63_danger_in_one_raises_its_group(room: Room) -> None:
    """
    A group is as urgent as its most urgent member: the next notice of the count says so, by the urgent lane.
    """
    for n in range(9):
        room.locate(a_tip("NL", reference=f"V-{n}", **facts(signals=(Signal.CRISIS,) if n == 5 else ())))

    notices = [emit for n in range(9, 12) for emit in room.locate(a_tip("NL", reference=f"V-{n}", **facts()))]

    assert {agency: body["priority"] for agency, body in told(notices).items()} == {
        "hotline-nl": "P0",
        "interpol-iccam": "P0",
        "police-se": "P0",
    }
    assert {(body["action"], body["sightings"]) for body in told(notices).values()} == {("sightings", 10)}
    assert {emit.topic for emit in notices} == {topics.ROUTED + topics.URGENT}


@pytest.mark.parametrize(
    "news",
    [
        {"fingerprints": ("url:1", "hash:1", "account:0", "person:9")},
        {"fingerprints": ("url:1", "url:2", "hash:1", "account:0")},
        {"people": (victim("SE"), suspect(location="NO"))},
    ],
)
def test_e64_a_new_fact_is_never_suppressed(room: Room, news: dict[str, Any]) -> None:
    """
    A name, a second URL or another country is a referral of its own for the police.
    """
    room.locate(a_tip("NL", reference="V-1", **facts()))

    later = room.locate(a_tip("NL", reference="V-2", **{**facts(), **news}))

    assert actions(later)["police-se"] == "new"
    assert told(later)["police-se"]["group"] == "0" * 32


def test_r37_a_tip_without_news_is_a_sighting(room: Room) -> None:
    """
    It leads to no referral of its own, says which one it is a sighting of, and carries the count.
    """
    first = told(room.locate(a_tip("NL", reference="V-1", **facts())))

    notices = room.locate(a_tip("NL", reference="V-2", partner="arachnid", **facts()))

    assert set(actions(notices).values()) == {"sightings"}
    assert told(notices)["hotline-nl"]["replaces"] == first["hotline-nl"]["referral_id"]
    assert told(notices)["hotline-nl"]["via"] == ["ecpat-se", "arachnid"]
    assert room.entry("hop.routed").tally["sighting"] is True
    assert len(room.bodies(topics.DECISIONS)[-1]["sighting_of"]) == 3


def test_p0_is_no_sighting_before_an_acknowledgement_and_a_flood_is_one_after(room: Room) -> None:
    """
    In danger the same report goes out again until the agency has the group; then the same sender's are counted.
    """
    first = told(room.locate(a_tip("NL", reference="D-1", **facts(), **URGENT)))
    second = room.locate(a_tip("NL", reference="D-2", **facts(), **URGENT))

    room.answer(first["police-se"], "acknowledged")
    third = room.locate(a_tip("NL", reference="D-3", **facts(), **URGENT))
    other = room.locate(a_tip("NL", reference="D-4", partner="ncmec", **facts(), **URGENT))
    more = room.locate(a_tip("NL", reference="D-5", partner="ncmec", **facts(), **URGENT))

    assert actions(second)["police-se"] == "new"
    assert actions(third).get("police-se") in (None, "sightings")
    assert actions(other)["police-se"] == "new"
    assert actions(more).get("police-se") in (None, "sightings")


def test_e07_and_e66_a_correction_updates_withdraws_and_adds(room: Room) -> None:
    """
    Who had it gets the update, who is not asked any longer a withdrawal, who is new a referral; all at version 2.
    """
    room.locate(a_tip("NL", people=(victim("SE"),)))

    second = room.locate(a_tip("DE", revision=2, people=(victim("SE"),)))

    hotline = next(name for name in actions(second) if name.startswith("hotline-de"))
    assert actions(second) == {
        "hotline-nl": "withdrawn",
        hotline: "new",
        "interpol-iccam": "update",
        "police-se": "update",
    }
    assert {body["version"] for body in told(second).values()} == {2}
    assert len(room.entry("hop.routed").tally["superseded"]) == 3  # type: ignore[arg-type]


def test_e66_a_withdrawal_reaches_everybody_who_got_it(room: Room) -> None:
    """
    Nothing stays open, and the books say why.
    """
    room.locate(a_tip("NL", people=(victim("SE"),)))

    back = room.locate(a_tip(revision=2, withdrawn=True))

    assert set(actions(back)) == {"hotline-nl", "interpol-iccam", "police-se"}
    assert set(actions(back).values()) == {"withdrawn"}
    assert room.entry("hop.routed").tally["px"] == "withdrawn"


def test_e66_other_senders_keep_a_withdrawn_lead_open(room: Room) -> None:
    """
    The first sender takes it back; the agency learns that others told of the same.
    """
    room.locate(a_tip("NL", **facts()))
    room.locate(a_tip("NL", reference="V-2", partner="arachnid", **facts()))

    back = told(room.locate(a_tip(revision=2, withdrawn=True)))

    assert back["hotline-nl"]["action"] == "update"
    assert back["hotline-nl"]["via"] == ["arachnid"]


def test_e65_what_went_out_as_urgent_is_not_lowered_by_a_late_fact(room: Room) -> None:
    """
    The correction goes out at the old priority.
    """
    room.locate(a_tip("NL", **URGENT))

    second = told(room.locate(a_tip("NL", revision=2)))

    assert second["hotline-nl"]["priority"] == "P0"
    assert second["police-se"]["action"] == "withdrawn"


def test_e72_a_refused_tip_is_decided_again_once_and_then_a_person_looks(room: Room) -> None:
    """
    The next hotline gets it; after the second refusal a person has it too.
    """
    first = told(room.locate(a_tip("DE", status=UNASSESSED)))
    one = next(name for name in first if name.startswith("hotline-de"))

    second = told(room.answer(first[one], "nack", nack=Nack.NOT_OURS))
    two = next(iter(second))
    third = room.answer(second[two], "nack", nack=Nack.NOT_OURS)

    assert two != one
    assert {body["action"] for body in second.values()} == {"new"}
    assert room.bodies(topics.REVIEWS)[-1]["reasons"] == ["R11"]
    assert len(actions(third)) == 1


def test_a_refusal_counts_for_the_whole_group(room: Room) -> None:
    """
    The next tip about the same thing does not go where it was refused.
    """
    first = told(room.locate(a_tip("NL")))
    room.answer(first["hotline-nl"], "nack", nack=Nack.NOT_OURS)

    later = room.locate(a_tip("NL", reference="T-2"))

    assert "hotline-nl" not in actions(later)


def test_an_overloaded_agency_is_the_notifiers_business(room: Room) -> None:
    """
    Nothing is routed elsewhere because somebody is busy.
    """
    first = told(room.locate(a_tip("NL")))

    assert room.answer(first["hotline-nl"], "nack", nack=Nack.OVERLOAD) == []


def test_r35_content_that_moved_is_decided_for_its_new_country(room: Room) -> None:
    """
    The new country's hotline gets it; the one that told of the move hears nothing more.
    """
    first = told(room.locate(a_tip("NL", people=(victim("SE"),))))

    moved = room.answer(first["hotline-nl"], "moved", moved_to="FR")

    assert actions(moved) == {"hotline-fr": "new", "interpol-iccam": "update", "police-se": "update"}


def test_e57_the_fifth_move_stops_at_a_person(room: Room) -> None:
    """
    Content that runs in circles is no longer followed by rules.
    """
    sent = told(room.locate(a_tip("NL", status=UNASSESSED)))
    for country in ("FR", "GB", "PL", "FI"):
        at = next(name for name in sent if name.startswith("hotline-"))
        sent = told(room.answer(sent[at], "moved", moved_to=country))
    assert room.bodies(topics.REVIEWS) == []

    last = room.answer(sent["hotline-fi"], "moved", moved_to="NL")

    assert "hotline-nl" not in actions(last)
    assert room.bodies(topics.REVIEWS)[-1]["reasons"] == ["R35"]


def test_an_expired_p0_reaches_the_home_police_and_interpol(room: Room) -> None:
    """
    Nobody answered in an hour: the duty desks know, and the first agency keeps its copy.
    """
    first = told(room.locate(a_tip("NL", **URGENT)))

    more = room.answer(first["hotline-nl"], "expired")

    assert actions(more) == {"interpol-ncb-se": "new"}
    assert room.answer(first["hotline-nl"], "expired") == []


def test_e83_a_removed_agency_orphans_nothing(room: Room) -> None:
    """
    Its open referral takes the way without it.
    """
    first = told(room.locate(a_tip("NL")))

    assert actions(room.answer(first["hotline-nl"], "agency_removed")) == {"interpol-ncb-se": "new"}


def test_r20_the_clock_decides_what_nobody_decided(room: Room) -> None:
    """
    After four hours the first candidate is the verdict, as the next version.
    """
    room.locate(a_tip(unsure("CA", "MU"), status=UNASSESSED))

    settled = room.wait(timedelta(hours=4))

    assert actions(settled) == {"hotline-ca": "new"}
    assert told(settled)["hotline-ca"]["version"] == 2


def test_r18_a_revealed_origin_is_an_event(room: Room) -> None:
    """
    The next revision brings the origin; the decision says so.
    """
    room.locate(a_tip(edge()))

    second = room.locate(a_tip("NL", revision=2))

    assert actions(second) == {"cdn-cloudflare": "withdrawn", "hotline-nl": "new", "interpol-iccam": "new"}
    assert room.bodies(topics.DECISIONS)[-1]["facts"]["event"] == "origin_revealed"


def test_e84_a_person_names_the_country_and_the_pipeline_goes_on(room: Room) -> None:
    """
    Actor, reason, before and after are in the entry; the next version has the destinations.
    """
    room.locate(a_tip(edge()))
    review = room.bodies(topics.REVIEWS)[-1]

    sent = room.person(review, ("analyst-1",), reason="origin told by the operator", country="NL")

    entry = room.entry("review.decided")
    assert actions(sent) == {"hotline-nl": "new", "interpol-iccam": "new", "cdn-cloudflare": "withdrawn"}
    assert (entry.actor, entry.basis["reason"]) == ("analyst-1", "origin told by the operator")
    assert (entry.tally["before"], entry.tally["after"]) == ("P2", "P2")
    assert room.entry("hop.routed").tally["review"] is False


def test_e84_lowering_p0_needs_two_people(room: Room) -> None:
    """
    One person's word leaves the question open; two different people may lower it.
    """
    room.locate(a_tip(unsure("NL", "CA"), edge(), **URGENT))
    review = room.bodies(topics.REVIEWS)[-1]

    alone = room.person(review, ("analyst-1",), reason="a mistake", priority="P3")
    waiting = room.bodies(topics.REVIEWS)[-1]
    together = room.person(review, ("analyst-1", "analyst-2"), reason="a mistake", priority="P3")

    assert alone == []
    assert (waiting["state"], waiting["reasons"][-1]) == ("open", "second_person")
    assert actions(together)["cdn-cloudflare"] == "update"
    assert told(together)["cdn-cloudflare"]["priority"] == "P3"
    assert room.entry("review.decided").actor == "analyst-1 and analyst-2"


def test_a_persons_second_word_on_the_same_question_changes_nothing(room: Room) -> None:
    """
    A question is answered once.
    """
    room.locate(a_tip(edge()))
    review = room.bodies(topics.REVIEWS)[-1]
    room.person(review, ("analyst-1",), reason="origin", country="NL")

    assert room.person(review, ("analyst-2",), reason="origin", country="FR") == []


@pytest.mark.parametrize(
    "decision", [{}, {"reason": ""}, {"reason": "x", "unknown": 1}, {"reason": "x", "country": "nl"}]
)
def test_a_decision_without_a_reason_is_none(room: Room, decision: dict[str, Any]) -> None:
    """
    Nobody changes a tip without saying why, and nothing is guessed.
    """
    room.locate(a_tip(edge()))

    with pytest.raises(Poison):
        room.person(room.bodies(topics.REVIEWS)[-1], ("analyst-1",), **decision)


def test_e82_twenty_thousand_routine_tips_are_spread_by_weight_each_once(room: Room) -> None:
    """
    The hop gives each tip to the region that is furthest behind: within 2 % of the weights of each region.
    """
    record = room.world.atlas.agencies.records["police-se"]
    total, count = sum(region.weight for region in record.regions), 2_000
    given: Counter[str] = Counter()
    for n in range(count):
        emits = room.locate(a_tip(reference=f"P-{n}", group=f"{n:032x}", status=UNASSESSED, place_country="SE"))
        given[told(emits)["police-se"]["region"]] += 1

    assert sum(given.values()) == count
    for region in record.regions:
        assert abs(given[region.name] / (count * region.weight / total) - 1) < 0.02


def test_e82_an_old_lowest_tip_is_lifted(room: Room) -> None:
    """
    After 30 days without an acknowledgement P4 becomes P3, once; an acknowledged one stays.
    """
    low: dict[str, Any] = {"kind": Kind.OTHER, "status": UNASSESSED, "signals": (Signal.VIRAL, Signal.KNOWN_MATERIAL)}
    room.locate(a_tip("NL", **low))
    done = told(room.locate(a_tip("FR", reference="T-2", group="1" * 32, **low)))
    room.answer(done["hotline-fr"], "acknowledged")

    lifted = told(room.wait(31 * DAY))

    assert {agency: (body["action"], body["priority"]) for agency, body in lifted.items()} == {
        "hotline-nl": ("update", "P3")
    }
    assert room.wait(31 * DAY) == []


def test_everything_of_a_group_is_forgotten_after_ninety_days(room: Room) -> None:
    """
    No row and no body outlives its group.
    """
    room.locate(a_tip("NL", people=(victim("SE"),)))
    room.locate(a_tip("NL", reference="T-2"))

    room.wait(91 * DAY)

    assert [key for key, _ in room.store.scan("") if not key.startswith("shares/")] == []


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "null_value"),
        (b"{", "not_json"),
        (b'{"schema":"tip-located/2"}', "unknown_version"),
        (b"{}", "invalid_event"),
    ],
)
def test_e71_a_record_that_is_no_event_is_poison(room: Room, value: bytes | None, reason: str) -> None:
    """
    The runner dead-letters it with the reason.
    """
    with pytest.raises(Poison) as told_why:
        room.feed(topics.LOCATED, value)

    assert told_why.value.reason.value == reason


def test_an_answer_about_a_forgotten_tip_still_gets_its_entry(room: Room) -> None:
    """
    The books balance whatever comes late.
    """
    referral = told(room.locate(a_tip("NL")))["hotline-nl"]
    room.wait(91 * DAY)

    assert room.answer(referral, "acknowledged") == []
    assert room.entry("outcome.taken").tally["what"] == "acknowledged"


def test_n1_a_second_sender_within_a_day_is_named_in_the_reasons(room: Room) -> None:
    """
    Several independent sources on one target are one reason more.
    """
    room.locate(a_tip("NL", **facts(status=UNASSESSED)))

    room.locate(a_tip("NL", reference="A-1", partner="arachnid", **facts(status=UNASSESSED)))

    assert "N1" in room.bodies(topics.DECISIONS)[-1]["priority_reasons"]
    assert orjson.loads(room.events[-1].body)["status"] == "routed"
