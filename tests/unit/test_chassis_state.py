"""The store of a task and the view of it."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.hop import Timer
from services.chassis.store.sqlite_store import SqliteStore
from services.chassis.store.state import MemoryStore, Overlay, Store
from services.chassis.store.timers import PREFIX, Timers, row_of, timer_of

Changes = dict[str, bytes | None]
AGE_S = 12 * 3600.0
KEYS = st.text("ab/é\U0001f600", min_size=1, max_size=4)
CHANGES = st.dictionaries(KEYS, st.one_of(st.none(), st.binary(max_size=8)), max_size=8)


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Both kinds of store."""
    return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "s" / "0.sqlite", max_age_s=AGE_S)


def test_rows_come_back_in_key_order_by_prefix(store: Store) -> None:
    """A scan gives the rows of a prefix in order and no others; a deleted row is gone."""
    store.apply({"a/2": b"2", "a/1": b"1", "b/1": b"x", "a0": b"y", "a/3": b"3"}, 5)
    store.apply({"a/3": None}, 6)

    assert list(store.scan("a/")) == [("a/1", b"1"), ("a/2", b"2")]
    assert list(store.scan("a/", limit=1)) == [("a/1", b"1")]
    assert (store.get("b/1"), store.get("a/3"), store.offset) == (b"x", None, 6)


def test_a_wiped_store_knows_nothing(store: Store) -> None:
    """After a wipe there are neither rows nor an offset."""
    store.apply({"a": b"1"}, 5)
    store.wipe()

    assert (store.get("a"), list(store.scan("")), store.offset) == (None, [], None)


@given(st.lists(CHANGES, max_size=4), CHANGES, KEYS, st.integers(1, 10))
def test_the_view_shows_the_store_as_it_will_be(before: list[Changes], now: Changes, prefix: str, limit: int) -> None:
    """An overlay over a store answers like a store to which the changes were applied."""
    store, after = MemoryStore(), MemoryStore()
    for changes in before:
        store.apply(changes, 1)
        after.apply(changes, 1)
    view = Overlay(store)
    view.put(now)
    after.apply(now, 2)

    assert list(view.scan(prefix, limit=limit)) == list(after.scan(prefix, limit=limit))
    assert all(view.get(key) == after.get(key) for key in [*now, prefix])


def test_a_file_is_believed_after_a_crash(tmp_path: Path) -> None:
    """A process that was killed left whole transactions behind; the next one goes on from their offset."""
    path = tmp_path / "0.sqlite"
    code = (
        "import os, sys; from pathlib import Path; from services.chassis.store.sqlite_store import SqliteStore;"
        "s = SqliteStore(Path(sys.argv[1]), max_age_s=1e5); s.apply({'k': b'v'}, 7); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 9

    store = SqliteStore(path, max_age_s=AGE_S)
    assert (store.get("k"), store.offset) == (b"v", 7)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: s._set("used", "0"),
        lambda s: s._set("used", str(2e10)),
        lambda s: s._set("boot", "another start of the machine"),
    ],
    ids=["too old", "from the future", "another boot without a clean close"],
)
def test_a_file_that_may_be_stale_is_wiped(tmp_path: Path, spoil: Callable[[SqliteStore], None]) -> None:
    """Old, undated or not provably clean: rebuilt from the changelog."""
    path = tmp_path / "0.sqlite"
    store = SqliteStore(path, max_age_s=AGE_S)
    store.apply({"k": b"v"}, 7)
    spoil(store)
    store.close(clean=False)

    again = SqliteStore(path, max_age_s=AGE_S)
    assert (again.get("k"), again.offset) == (None, None)


def test_a_cleanly_closed_file_survives_another_boot(tmp_path: Path) -> None:
    """A clean close is proof enough."""
    path = tmp_path / "0.sqlite"
    store = SqliteStore(path, max_age_s=AGE_S)
    store.apply({"k": b"v"}, 7)
    store._set("boot", "another start of the machine")
    store.close(clean=True)

    assert SqliteStore(path, max_age_s=AGE_S).get("k") == b"v"


def test_a_broken_file_is_replaced(tmp_path: Path) -> None:
    """What is no database is thrown away, not stumbled over."""
    path = tmp_path / "0.sqlite"
    path.write_bytes(os.urandom(4096))

    assert SqliteStore(path, max_age_s=AGE_S).offset is None


def test_a_scan_reads_all_pages(tmp_path: Path) -> None:
    """More rows than are held at a time: each once, in order, as many as were asked for."""
    store = SqliteStore(tmp_path / "0.sqlite", max_age_s=AGE_S)
    names = [f"k/{n:05d}" for n in range(2_500)]
    store.apply(dict.fromkeys(["j", *names, "l"], b"v"), 1)

    assert [key for key, _ in store.scan("k/", limit=10_000)] == names
    assert [key for key, _ in store.scan("k/", limit=1_500)] == names[:1_500]
    assert [key for key, _ in store.scan("k/", limit=2_000)] == names[:2_000]


def test_two_owners_never_share_a_file(tmp_path: Path) -> None:
    """A worker that was frozen and comes back cannot write into its successor's store."""
    path = tmp_path / "0.sqlite"
    frozen = SqliteStore(path, max_age_s=AGE_S)
    frozen.apply({"k": b"old"}, 7)
    successor = SqliteStore(path, max_age_s=AGE_S)
    successor.apply({"k": b"new"}, 8)
    frozen.apply({"k": b"late"}, 7)

    assert (successor.get("k"), successor.offset) == (b"new", 8)
    successor.close(clean=True)
    assert [p.name for p in tmp_path.glob("*.sqlite")] == ["0.sqlite"]


def test_timers_fire_when_due_and_follow_their_rows() -> None:
    """A timer fires at its time, once per row; moving or cancelling it counts at once."""
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    timers = Timers()
    timers.load(lambda: [row_of(Timer("a", noon)), row_of(Timer("b", noon + timedelta(hours=1), b"body"))], noon)

    assert [t.key for t in timers.due(noon, 10)] == ["a"]
    assert [t.key for t in timers.due(noon, 10)] == ["a"]
    timers.apply({PREFIX + "a": None})
    assert timers.next_due() == noon + timedelta(hours=1)
    timers.apply(dict([row_of(Timer("b", noon, b"moved")), row_of(Timer("b", noon, b"moved"))]))
    assert timers.due(noon, 10) == [Timer("b", noon, b"moved")]


def test_timers_far_ahead_stay_in_the_store_and_fire_in_time() -> None:
    """Only what is due soon is held, the rest is read in time; a timer that is moved often leaves no heap of marks."""
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    rows = dict(row_of(Timer(f"t{n}", noon + timedelta(days=n))) for n in range(90))
    timers = Timers()
    timers.load(lambda: sorted(rows.items()), noon)

    def change(timer: Timer) -> None:
        rows.update([row_of(timer)])
        timers.apply(dict([row_of(timer)]))

    assert len(timers) == 1
    for second in range(10_000):
        change(Timer("t0", noon + timedelta(seconds=second)))
        change(Timer("t30", noon + timedelta(days=20, seconds=second)))
    change(Timer("t31", noon + timedelta(hours=1)))
    assert len(timers) == 2
    assert len(timers._heap) < 200
    fired: list[str] = []
    now = noon
    while now < noon + timedelta(days=21):
        due = timers.next_due()
        assert due is not None
        now = max(now, due)
        for timer in timers.due(now, 10):
            fired.append(timer.key)
            del rows[PREFIX + timer.key]
            timers.apply({PREFIX + timer.key: None})
    assert fired[:4] == ["t31", "t0", "t1", "t2"]
    assert fired[-3:] == ["t20", "t30", "t21"]


@given(st.text(min_size=1), st.datetimes(min_value=datetime(2000, 1, 1)), st.binary())  # noqa: DTZ001
def test_a_timer_is_read_from_its_row_as_it_was(key: str, due: datetime, body: bytes) -> None:
    """Writing and reading a timer row are inverse."""
    timer = Timer(key, due.replace(tzinfo=UTC), body)
    assert timer_of(*row_of(timer)) == timer
