"""The books: they balance for every story of a mesh, and every planted loss or double is found."""

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.custody.books import Balance, Books, State
from tests.support.custody_story import ENDED, ENDS, Entry, Story

MUST_HAVE_ENTRIES = ("tip.accepted", "hop.geolocated", "hop.routed", "hop.queued", "outcome.taken")

stories = st.lists(st.tuples(st.sampled_from(ENDS), st.integers(1, 3)), min_size=1, max_size=8).map(
    lambda told: [Story(number, end, agencies) for number, (end, agencies) in enumerate(told)]
)


def balanced(entries: list[Entry], *, lagging: tuple[str, ...] = ()) -> Balance:
    """Fold *entries* and balance, everything expected being due."""
    books = Books()
    for entry in entries:
        books.add(entry)
    return books.balance(lagging, books.expected())


def merged(told: list[Story], seed: int) -> list[Entry]:
    """The entries of all stories, mixed; each story keeps its order, as one log would."""
    rng, queues, entries = random.Random(seed), [list(story.entries) for story in told], []
    while queues := [queue for queue in queues if queue]:
        entries.append(rng.choice(queues).pop(0))
    return entries


@given(told=stories, seed=st.integers())
@settings(max_examples=60, deadline=None)
def test_the_books_of_a_sound_mesh_balance(told: list[Story], seed: int) -> None:
    """However the tips' entries are mixed: accepted = ended + parked, and nothing is lost or doubled."""
    found = balanced(merged(told, seed))

    ended = sum(story.end in ENDED for story in told)
    assert (found.accepted, found.ended, found.parked) == (len(told), ended, len(told) - ended)
    assert (found.in_flight, found.unaccounted, found.duplicates) == (0, (), 0)


@given(told=stories, seed=st.integers())
@settings(max_examples=60, deadline=None)
def test_any_order_of_entries_gives_the_same_books(told: list[Story], seed: int) -> None:
    """Entries of several logs, read in any order, come to the same balance."""
    entries = [entry for story in told for entry in story.entries]
    shuffled = random.Random(seed).sample(entries, len(entries))

    assert balanced(shuffled) == balanced(entries)


@given(told=stories, data=st.data())
@settings(max_examples=80, deadline=None)
def test_a_dropped_entry_is_found(told: list[Story], data: st.DataObject) -> None:
    """Take away one entry that must exist, and exactly its tip is unaccounted for."""
    entries = [entry for story in told for entry in story.entries]
    gone = data.draw(
        st.sampled_from(
            [e for e in entries if e["kind"] in MUST_HAVE_ENTRIES and e.get("tally", {}).get("version") != 2]
        )
    )

    found = balanced([entry for entry in entries if entry is not gone])

    assert found.unaccounted == (gone["tip"],)
    assert found.accepted == found.ended + found.parked + found.in_flight + len(found.unaccounted)


@given(told=stories, data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_prefix_of_the_log_is_in_flight_not_lost(told: list[Story], data: st.DataObject) -> None:
    """While the groups lag nothing is called lost, wherever the log was cut."""
    entries = merged(told, 1)
    cut = data.draw(st.integers(0, len(entries)))
    lagging = ("tips-received", "tips-located", "referrals-routed", "outcomes")

    found = balanced(entries[:cut], lagging=lagging)

    assert not found.unaccounted
    assert found.accepted == found.ended + found.parked + found.in_flight


def test_what_was_expected_after_the_lag_was_seen_is_not_due() -> None:
    """An event written between two looks is in flight, though its topic had no lag before."""
    books = Books()
    books.add(Story(0, "waiting").entries[0])

    assert books.balance((), frozenset()).in_flight == 1
    assert books.balance((), books.expected()).unaccounted == (str(Story(0, "waiting").tip),)


def test_a_doubled_referral_is_counted() -> None:
    """A document written twice for one agency is one duplicate; a tip for two agencies is none."""
    story = Story(0, "waiting", agencies=2)
    queued = [entry for entry in story.entries if entry["kind"] == "hop.queued"]

    assert balanced(story.entries).duplicates == 0
    assert balanced([*story.entries, queued[0]]).duplicates == 1


def test_the_same_referral_under_another_event_is_a_duplicate_too() -> None:
    """A fault in the router that refers twice shows, though the event ids differ."""
    story = Story(0, "waiting")
    queued = next(entry for entry in story.entries if entry["kind"] == "hop.queued")
    other = Story(1, "waiting").entries[3]
    again = {
        **queued,
        "event": other["event"],
        "cause": other["cause"],
        "out": [{**queued["out"][0], "event": other["event"]}],
    }

    assert balanced([*story.entries, again]).duplicates == 1


def test_refusals_and_repeats_are_counted_beside_the_books() -> None:
    """They are submissions, not tips: the sum of tips does not know them."""
    tip = str(Story(0, "px").tip)
    refused = {"kind": "tip.refused", "event": tip, "tally": {"reason": "media_refused"}}
    repeated = {"kind": "tip.repeated", "event": tip, "tip": tip, "tally": {}}

    found = balanced([*Story(0, "px").entries, refused, refused, repeated])

    assert (found.accepted, found.refused, found.repeated) == (1, 2, 1)


def test_an_accepted_tip_of_which_nothing_became_is_unaccounted() -> None:
    """A routing entry without referral and without reason is a loss, not an end."""
    story = Story(0, "px")
    routed = story.entries[-1]
    routed["tally"] |= {"px": None}

    assert balanced(story.entries).unaccounted == (str(story.tip),)


def test_a_referral_that_was_announced_but_never_written_is_unaccounted() -> None:
    """The routing entry names a referral: if no event carried it, the tip is lost, whatever the events say."""
    story = Story(0, "waiting", agencies=2)
    routed = next(entry for entry in story.entries if entry["kind"] == "hop.routed")
    dropped = routed["out"].pop()

    entries = [entry for entry in story.entries if entry["cause"] != dropped["event"]]
    second = routed["tally"]["referrals"][1]
    entries = [entry for entry in entries if entry["tally"].get("referral") != second]

    assert balanced(entries).unaccounted == (str(story.tip),)


def test_a_dead_letter_that_names_no_tip_parks_the_one_that_announced_it() -> None:
    """A record that nobody can read is accounted for through the event that led to it."""
    story = Story(0, "dead")
    for entry in story.entries:
        if entry["kind"] == "tip.parked":
            del entry["tip"]

    found = balanced(story.entries)

    assert (found.parked, found.unaccounted) == (1, ())


def test_a_reopened_dead_letter_is_no_longer_parked() -> None:
    """A replay takes the mark away; what comes then decides."""
    story, books = Story(0, "dead"), Books()
    for entry in [*story.entries, {"kind": "tip.reopened", "event": str(story.tip), "tip": str(story.tip)}]:
        books.add(entry)

    assert books.state(str(story.tip)) is State.MISSING


def test_a_later_version_replaces_what_an_earlier_one_asked() -> None:
    """Review asked for version 1 is over when version 2 was routed without it, in whichever order they are read."""
    first, second = Story(0, "review"), Story(0, "review")
    second.entries[-1]["tally"] |= {"version": 2, "review": False, "px": "spam"}
    both = [*first.entries, {**second.entries[-1], "out": []}]

    assert balanced(both) == balanced(both[::-1])
    assert balanced(both).ended == 1


@pytest.mark.parametrize("action", ["withdrawn", "sightings"])
def test_a_notice_ends_with_its_delivery(action: str) -> None:
    """Nobody acknowledges that something was withdrawn or seen again."""
    story = Story(0, "waiting")
    for entry in story.entries:
        if "referral" in entry["tally"]:
            entry["tally"]["action"] = action

    assert balanced(story.entries).ended == 1


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        "text",
        {},
        {"kind": "tip.accepted", "tip": "not-a-uuid"},
        {"kind": "tip.accepted", "tip": 7},
        {"kind": "hop.routed", "tip": str(Story(0, "px").tip), "tally": {"referrals": ["00ff"]}},
        {"kind": "hop.routed", "tip": str(Story(0, "px").tip), "out": [{"topic": "x"}]},
        {"kind": "hop.routed", "tip": str(Story(0, "px").tip), "tally": {"version": "many"}},
    ],
)
def test_what_is_no_entry_is_counted_and_changes_nothing(odd: Any) -> None:
    """A record that somebody put into the log can neither stop the books nor bend them."""
    books = Books()
    for entry in Story(0, "px").entries:
        books.add(entry)
    before = books.balance((), books.expected())

    assert not books.add(odd)
    assert books.unreadable == 1
    assert books.balance((), books.expected()) == before


def test_the_answer_has_the_agreed_names() -> None:
    """The JSON of ``vidare reconcile`` is part of the outside surface."""
    names = ["accepted", "refused", "ended", "parked", "in_flight", "unaccounted", "duplicates", "repeated"]

    assert list(balanced(Story(0, "px").entries).as_json()) == names


def test_every_end_of_a_story_was_told() -> None:
    """The stories of this file reach ended and parked, and every kind of entry that the books read."""
    kinds = Counter(entry["kind"] for number, end in enumerate(ENDS) for entry in Story(number, end).entries)

    assert set(MUST_HAVE_ENTRIES) < set(kinds)
