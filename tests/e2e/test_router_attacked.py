"""Rulebooks under attack: activated twice at once, by older digests, under work, tried on records nobody can read."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from contracts import topics
from contracts.events import CustodyEntry
from services.chassis.broker.memory import MemoryBroker
from services.chassis.errors import Fenced, Misconfigured
from services.chassis.running.memory_run import Fed
from services.chassis.settings import Settings
from services.cli.commands import activate as activating
from services.cli.commands.activate import activate, put_in_force
from services.cli.commands.backtest import backtest, compared
from services.cli.commands.replay import decisions_of
from services.cli.commands.review import Refused, Wish, decided, waiting
from services.cli.commands.rules import proven
from services.cli.wronguse import WrongUse
from services.router.geography.world import load_world
from services.router.rules.books import Books, activation
from services.router.rules.follow import BookFollower
from services.router.rules.rulebook import Rulebook, load_rulebook, parse_rulebook
from tests.support.chain import Chain, chain
from tests.support.desk import BASELINE, hosted
from tests.support.router_world import SETTINGS, shipped

TEXT = SETTINGS.rulebook_file.read_text(encoding="utf-8")
RETITLED = [TEXT.replace('title = "trafficking"', f'title = "trafficking, {n}"', 1) for n in range(4)]
NEVER = '{ all = [{ fact = "urgent", equals = true }, { fact = "priority", equals = "P3" }] }'
DEAD = TEXT.replace('{ fact = "scene.at", equals = "home" }', NEVER, 1)
WITHOUT_ICCAM = TEXT.replace('one_of = ["baseline", "national"]', 'one_of = ["national"]', 1)
HOUR = timedelta(hours=1)


def book_of(text: str) -> Rulebook:
    """The book that *text* is."""
    return parse_rulebook(text, Path("own.toml"))


def a_broker() -> MemoryBroker:
    """A broker with the topics that an activation writes."""
    broker = MemoryBroker()
    broker.create(topics.RULEBOOKS, 1)
    broker.create(topics.CUSTODY, 1)
    return broker


async def put(broker: MemoryBroker, text: str, by: str = "anna") -> str | None:
    """Activate *text*."""
    return await put_in_force(broker, book_of(text), text.encode(), by)


async def started(broker: MemoryBroker) -> Books:
    """The books of a router that starts now."""
    books = Books(shipped())
    await BookFollower(lambda: broker, books).first()
    return books


def chain_of_custody(broker: MemoryBroker) -> list[tuple[Any, Any]]:
    """Before and after of every change of policy, in the order of the books."""
    said = [CustodyEntry.model_validate_json(one.value or b"") for one in broker.records(topics.CUSTODY)]
    return [(one.basis["before"], one.basis["after"]) for one in said]


async def test_of_several_activations_at_once_each_names_what_was_really_before_it() -> None:
    """Whoever was overtaken writes nothing; what is written is one unbroken chain, and its end is in force."""
    broker = a_broker()

    done = await asyncio.gather(*(put(broker, text) for text in RETITLED), return_exceptions=True)

    assert all(one is None or isinstance(one, str | Fenced) for one in done), done
    steps = chain_of_custody(broker)
    assert steps
    assert len(steps) == sum(not isinstance(one, Fenced) for one in done)
    assert [before for before, _ in steps] == [None, *(after for _, after in steps[:-1])]
    assert (await started(broker)).current.world.book.digest == steps[-1][1]


async def test_an_older_book_is_put_in_force_again_by_its_file() -> None:
    """Back to an earlier digest is an activation like any other; the same twice in a row writes nothing."""
    broker = a_broker()
    one, two = RETITLED[:2]
    for text in (one, two, one, one):
        await put(broker, text)

    first, second = book_of(one).digest, book_of(two).digest
    assert chain_of_custody(broker) == [(None, first), (first, second), (second, first)]
    books = await started(broker)
    assert books.current.world.book.digest == first
    assert books.warnings() == []


@pytest.mark.parametrize("newest", ["dead", "no text", "another text", "no digest", "not UTF-8"])
async def test_a_router_that_starts_uses_the_last_good_book_like_those_that_run(newest: str) -> None:
    """A bad book that was activated last is refused by who runs and by who starts: both decide by the one before."""
    broker = a_broker()
    await put(broker, RETITLED[0])
    running = await started(broker)
    digest = book_of(DEAD).digest if newest == "dead" else "sha256:ab"
    text = {"dead": DEAD.encode(), "another text": RETITLED[1].encode(), "not UTF-8": b"\xff"}.get(newest)
    named = b"{}" if newest == "no digest" else activation(digest)
    feeding = [Fed(topics.RULEBOOKS, named, key=topics.ACTIVE.encode())]
    if text is not None:
        feeding.insert(0, Fed(topics.RULEBOOKS, text, key=digest.encode()))
    before = len(broker.records(topics.RULEBOOKS))
    for one in feeding:
        with suppress(Misconfigured):
            _append(broker, one)
    running.apply(broker.records(topics.RULEBOOKS)[before:])

    starting = await started(broker)

    for books in (running, starting):
        assert books.current.world.book.digest == book_of(RETITLED[0]).digest
        assert books.current.offset is not None
        assert "is refused" in books.warnings()[0]


async def test_a_refused_book_after_compaction_leads_to_the_one_that_it_replaced() -> None:
    """The topic may have forgotten earlier activations; the last one names what was in force before it."""
    broker = a_broker()
    await put(broker, RETITLED[0])
    await put(broker, RETITLED[1])
    log = broker.logs(topics.RULEBOOKS)[0]
    actives = [at for at, row in enumerate(log.rows) if row is not None and row.key == topics.ACTIVE.encode()]
    log.rows[actives[0]] = None
    texts = [
        at for at, row in enumerate(log.rows) if row is not None and row.key == book_of(RETITLED[1]).digest.encode()
    ]
    log.rows[texts[0]] = None

    books = await started(broker)

    assert books.current.world.book.digest == book_of(RETITLED[0]).digest
    assert "no rulebook with this digest" in books.warnings()[0]


def _append(broker: MemoryBroker, one: Fed) -> None:
    from services.chassis.broker.broker_port import Out  # noqa: PLC0415

    broker.append([Out(one.topic, 0, one.key, one.value, [], 0)])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        (b"", "'id' is missing"),
        (b"\xff\xfe", "not UTF-8"),
        (b"id = ", "not TOML"),
        (DEAD.encode(), "R03 is dead"),
        ((TEXT + "#" * 2**20).encode(), "a record of topic rulebooks holds at most"),
    ],
)
def test_what_cannot_be_put_in_force_is_refused_before_any_broker(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    """Missing, empty, no text, no TOML, unprovable, too large to publish: one sentence that names the file."""
    path = tmp_path / "own.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(Misconfigured) as error:
        activate(Settings(home=tmp_path, kafka="127.0.0.1:1"), path, by="anna")

    assert says in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_changes_while_it_is_proven_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is published is what was proven, never what an editor saved a moment later."""
    path = tmp_path / "own.toml"
    path.write_text(RETITLED[0], encoding="utf-8")

    def and_then_saved(settings: Settings, file: Path) -> Any:
        found = proven(settings, file)
        path.write_text(DEAD, encoding="utf-8")
        return found

    monkeypatch.setattr("services.cli.commands.rules.proven", and_then_saved)

    with pytest.raises(Misconfigured, match="changed while it was proven"):
        activate(Settings(home=tmp_path, kafka="127.0.0.1:1"), path, by="anna")
    assert activating.__doc__


async def test_an_activation_while_tips_are_in_work_splits_them_cleanly(tmp_path: Path) -> None:
    """Each decision and its referrals name one digest, the earlier tips the old one, the later ones the new."""
    async with chain(tmp_path) as mesh:
        follower = asyncio.create_task(BookFollower(lambda: mesh.broker, mesh.books).run())
        sending = [asyncio.create_task(mesh.send([hosted("NL", f"W-{n}", **BASELINE) for n in range(40)]))]
        await put_in_force(mesh.broker, book_of(RETITLED[0]), RETITLED[0].encode(), "anna")
        sending.append(asyncio.create_task(mesh.send([hosted("NL", f"X-{n}", **BASELINE) for n in range(40)])))
        await asyncio.gather(*sending)
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
        await mesh.settle()

        by_tip: dict[str, set[str]] = {}
        for one in [*mesh.json(topics.DECISIONS), *mesh.json(topics.ROUTED)]:
            by_tip.setdefault(one["tip_id"], set()).add(one["rulebook"]["digest"])
        assert len(by_tip) == 80
        assert {len(digests) for digests in by_tip.values()} == {1}
        assert set().union(*by_tip.values()) <= {shipped().book.digest, book_of(RETITLED[0]).digest}
        for partition in range(2):
            order = [
                orjson.loads(one.value or b"")["rulebook"]["digest"]
                for one in mesh.records(topics.DECISIONS)
                if one.partition == partition
            ]
            assert order == sorted(order, key=[shipped().book.digest, book_of(RETITLED[0]).digest].index)


ODD_FACTS: list[Any] = [
    {},
    {"kind": "of tomorrow"},
    {"places": 7},
    {"places": ["x"]},
    {"places": [{}]},
    {"places": [{"part": "roof"}]},
    {"places": [{"part": "host", "country": "SE", "confidence": "much"}]},
    {"signals": None},
    {"event": "moved", "moves": "many"},
    {"priority": "PX?"},
]


async def mixed(mesh: Chain) -> tuple[int, str]:
    """Three readable decisions and many that this version cannot read; returns how many, and a tip that is decided."""
    await mesh.send([hosted("NL", "T-1", **BASELINE), hosted("NL", "T-2")])
    good = mesh.json(topics.DECISIONS)[0]
    bad: list[bytes | None] = [b"", b"{", b"null", b"[]", b"\xff\xfe", b"{}", orjson.dumps({"schema": "decision/2"})]
    bad += [orjson.dumps({**good, "facts": {**good["facts"], **odd}}) for odd in ODD_FACTS if odd]
    bad += [
        orjson.dumps({**good, "why_not": [{"reason": "said_not_theirs"}]}),
        orjson.dumps({**good, "decided_at": "yesterday"}),
    ]
    bad += [orjson.dumps({key: value for key, value in good.items() if key != "rulebook"})]
    for one in bad:
        _append(mesh.broker, Fed(topics.DECISIONS, one, key=b"x"))
    _append(mesh.broker, Fed(topics.DECISIONS, None, key=b"x"))
    # An earlier version recorded neither what it had read nor its world, and a rulebook nobody has any more.
    old = {key: value for key, value in good.items() if key not in ("gist", "world", "actionability")}
    old |= {"rulebook": {"id": "lost", "digest": "sha256:" + "0" * 64}}
    _append(mesh.broker, Fed(topics.DECISIONS, orjson.dumps(old), key=b"x"))
    return len(bad), str(good["tip_id"])


async def test_a_backtest_counts_what_it_cannot_read_and_goes_on(tmp_path: Path) -> None:
    """No JSON, other versions, facts nobody knows: counted and left out; old ones and lost books are heard."""
    async with chain(tmp_path) as mesh:
        unreadable, _ = await mixed(mesh)
        counted: list[int] = []

        tally = await compared(
            mesh.broker, load_world(mesh.settings), book_of(WITHOUT_ICCAM), datetime.now(UTC) - HOUR, counted.append
        )

        assert (tally.decisions, tally.changed, tally.unreadable) == (3, 2, unreadable)
        assert tally.as_json()["unreadable"] == unreadable
        assert tally.as_json()["by_rule"][0]["rule"] == "R09"
        assert sum(counted) == unreadable + 4


async def test_other_readers_of_decisions_pass_over_what_is_none(tmp_path: Path) -> None:
    """The desk and the replay find theirs among records that nobody can read."""
    async with chain(tmp_path) as mesh:
        _, tip = await mixed(mesh)
        await mesh.send([hosted("SE", "R-1")])
        for value in (b"", b"{", b"[]", b"{}", None):
            _append(mesh.broker, Fed(topics.REVIEWS, value, key=b"x"))

        assert [one.asked.reasons for one in await waiting(mesh.broker)] == [("R07",)]
        assert {orjson.loads(one.data)["tip_id"] for one in await decisions_of(mesh.broker, [tip])} == {tip}


@pytest.mark.parametrize("since", ["", "7", "-1d", "1e3d", "7d7d", "999999d", "\u0667d"])
def test_a_wrong_length_of_time_is_wrong_use(since: str) -> None:
    """What is no length of time, or longer than anything, ends with 2 before anything is proven or read."""
    with pytest.raises(WrongUse, match="--since"):
        backtest(Settings(kafka="127.0.0.1:1"), SETTINGS.rulebook_file, since)


def test_a_rulebook_that_is_none_is_not_tried(tmp_path: Path) -> None:
    """File, line and reason, before a broker is asked."""
    path = tmp_path / "own.toml"
    path.write_text(DEAD, encoding="utf-8")

    with pytest.raises(Misconfigured, match=r"own\.toml:\d+: R03 is dead"):
        backtest(Settings(kafka="127.0.0.1:1"), path, "7d")


async def test_a_backtest_that_is_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    """It only reads: no topic has grown, and the next one counts from the beginning."""
    async with chain(tmp_path) as mesh:
        await mesh.send([hosted("NL", f"I-{n}", **BASELINE) for n in range(5)])
        before = {topic: len(mesh.records(topic)) for topic in mesh.broker.topics}
        world, since = load_world(mesh.settings), datetime.now(UTC) - HOUR

        def stop(_: int) -> None:
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await compared(mesh.broker, world, book_of(WITHOUT_ICCAM), since, stop)

        again = await compared(mesh.broker, world, book_of(WITHOUT_ICCAM), since, lambda _: None)
        assert (again.decisions, again.changed) == (5, 5)
        assert before == {topic: len(mesh.records(topic)) for topic in mesh.broker.topics}


async def test_a_question_is_found_by_its_id_however_it_is_typed(tmp_path: Path) -> None:
    """Ids are compared as ids."""
    async with chain(tmp_path) as mesh:
        await mesh.send([hosted("SE", "Q-1")])
        (one,) = await waiting(mesh.broker)
        with pytest.raises(Refused, match="needs a reason"):
            await decided(
                mesh.broker, mesh.settings, f" {str(one.asked.tip_id).upper()} ", Wish(("a",), " "), datetime.now(UTC)
            )


def test_the_shipped_book_is_what_these_attacks_vary() -> None:
    """Every variant but the dead one loads, and no two have one digest."""
    texts = [TEXT, WITHOUT_ICCAM, DEAD, *RETITLED]
    assert len({book_of(text).digest for text in texts}) == len(texts)
    assert load_rulebook(SETTINGS.rulebook_file).digest == shipped().book.digest
