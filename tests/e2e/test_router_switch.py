"""Rulebooks over the whole mesh in memory: proven, published, switched between two transactions, tried on the past."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from contracts import topics
from services.chassis.running.memory_run import Fed
from services.cli.commands.activate import put_in_force
from services.cli.commands.backtest import compared
from services.cli.commands.replay import decisions_of, finder, replayed
from services.cli.kafka_io import all_records
from services.router.geography.world import load_world
from services.router.hop import BOOK
from services.router.rules.books import Published
from services.router.rules.follow import BookFollower
from services.router.rules.rulebook import Rulebook, load_rulebook
from tests.support.chain import Chain, chain
from tests.support.desk import BASELINE, hosted
from tests.support.router_world import SETTINGS

TEXT = SETTINGS.rulebook_file.read_text(encoding="utf-8")
ILLEGAL = '{ fact = "status", one_of = ["baseline", "national"] }'
AT_SCENE = '{ fact = "scene.at", equals = "home" }'
NEVER = '{ all = [{ fact = "urgent", equals = true }, { fact = "priority", equals = "P3" }] }'
WITHOUT_ICCAM = TEXT.replace(ILLEGAL, '{ fact = "status", equals = "national" }', 1)
DEAD = TEXT.replace(AT_SCENE, NEVER, 1)
"""It loads; no tip can match one of its rows."""


def written(folder: Path, text: str) -> tuple[Rulebook, bytes]:
    """A rulebook of one's own."""
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return load_rulebook(path), path.read_bytes()


@asynccontextmanager
async def following(mesh: Chain) -> AsyncIterator[None]:
    """The router's view of its rulebooks, kept up."""
    job = asyncio.create_task(BookFollower(lambda: mesh.broker, mesh.books).run())
    try:
        yield
    finally:
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for *condition*."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what it waits for is another thread's in production: it has no event
            await asyncio.sleep(0.001)


async def test_an_activated_rulebook_decides_the_next_tip_and_stands_in_all_that_it_decides(tmp_path: Path) -> None:
    """The digest of each decision and referral is the book's that was in force; the books say who changed it."""
    book, text = written(tmp_path, WITHOUT_ICCAM)
    async with chain(tmp_path / "mesh") as mesh, following(mesh):
        shipped = mesh.books.current.world.book.digest
        await mesh.send([hosted("NL", "S-1", **BASELINE)])

        assert await put_in_force(mesh.broker, book, text, "anna") is None
        await until(lambda: mesh.books.current.world.book.digest == book.digest)
        await mesh.send([hosted("NL", "S-2", **BASELINE)])

        first, second = mesh.json(topics.DECISIONS)
        assert [one["rulebook"]["digest"] for one in (first, second)] == [shipped, book.digest]
        assert [to["id"] for to in first["destinations"]] == ["hotline-nl", "interpol-iccam"]
        assert [to["id"] for to in second["destinations"]] == ["hotline-nl"]
        routed = {one["reference"]: one["rulebook"]["digest"] for one in mesh.json(topics.ROUTED)}
        assert routed == {"S-1": shipped, "S-2": book.digest}
        (entry,) = [one for one in mesh.json(topics.CUSTODY) if one["kind"] == "policy.changed"]
        assert entry["actor"] == "person:anna"
        assert entry["basis"] == {"rulebook": "default", "before": None, "after": book.digest}
        (row,) = [orjson.loads(r.value or b"") for r in mesh.records("changelog-router") if r.key == BOOK.encode()]
        assert row == {"digest": book.digest, "offset": mesh.books.current.offset}


async def test_e55_decisions_are_replayed_by_the_rulebook_of_then(tmp_path: Path) -> None:
    """After an activation the tip decided before it and the one after it are both taken again, byte for byte."""
    book, text = written(tmp_path, WITHOUT_ICCAM)
    async with chain(tmp_path / "mesh") as mesh, following(mesh):
        await mesh.send([hosted("NL", "E-1", **BASELINE)])
        await put_in_force(mesh.broker, book, text, "anna")
        await until(lambda: mesh.books.current.world.book.digest == book.digest)
        await mesh.send([hosted("NL", "E-2", **BASELINE)])
        published, world = Published(), load_world(mesh.settings)
        published.take([record async for record in all_records(mesh.broker, topics.RULEBOOKS)])

        given = await decisions_of(mesh.broker, [one["tip_id"] for one in mesh.json(topics.DECISIONS)])

        told = [replayed(one, world, finder(published, world, mesh.settings)) for one in given]
        assert len(told) == 2
        assert len({orjson.loads(one.record)["rulebook"]["digest"] for one in told}) == 2
        assert [(one.reason, one.bytes == one.record) for one in told] == [(None, True), (None, True)]


async def test_a_bad_rulebook_is_refused_and_the_one_before_stays(tmp_path: Path) -> None:
    """Whatever somebody writes into the topic, the router decides on, says why, and takes the next good book."""
    book, text = written(tmp_path, WITHOUT_ICCAM)
    bad = [
        (b"sha256:00", b"not toml ["),
        (b"sha256:01", text),
        (b"sha256:02", b"\xff\xfe"),
        (written(tmp_path, DEAD)[0].digest.encode(), DEAD.encode()),
    ]
    async with chain(tmp_path / "mesh") as mesh, following(mesh):
        shipped = mesh.books.current.world.book.digest
        for digest, body in bad:
            activation = orjson.dumps({"digest": digest.decode()})
            await mesh.feed(
                Fed(topics.RULEBOOKS, body, key=digest), Fed(topics.RULEBOOKS, activation, key=topics.ACTIVE.encode())
            )
            await until(lambda: mesh.books.wrong is not None)
            assert mesh.books.current.world.book.digest == shipped
            mesh.books.wrong = None
        for value in (b"[]", b"{", None):
            await mesh.feed(Fed(topics.RULEBOOKS, value, key=topics.ACTIVE.encode()))
            await until(lambda: mesh.books.wrong is not None)
            mesh.books.wrong = None
        await mesh.send([hosted("NL", "B-1", **BASELINE)])

        await put_in_force(mesh.broker, book, text, "anna")
        await until(lambda: mesh.books.current.world.book.digest == book.digest)

        assert [one["rulebook"]["digest"] for one in mesh.json(topics.DECISIONS)] == [shipped]
        assert b"a rulebook is refused; the one before stays" in mesh.logs()


async def test_a_router_that_starts_takes_the_active_book_before_its_first_record(tmp_path: Path) -> None:
    """What was activated while it was away decides; earlier books are still there by their digests."""
    first, one = written(tmp_path, WITHOUT_ICCAM)
    second, two = written(tmp_path, TEXT.replace('title = "trafficking"', 'title = "trafficking of people"', 1))
    async with chain(tmp_path / "mesh") as mesh:
        await put_in_force(mesh.broker, first, one, "anna")
        assert await put_in_force(mesh.broker, second, two, "anna") == first.digest
        assert await put_in_force(mesh.broker, second, two, "anna") == second.digest, "the same again writes nothing"
        await BookFollower(lambda: mesh.broker, mesh.books).first()

        assert mesh.books.current.world.book.digest == second.digest
        assert (mesh.books.published.named(first.digest) or second).digest == first.digest
        assert len(mesh.records(topics.RULEBOOKS)) == 4


async def test_a_rulebook_is_tried_on_recorded_decisions(tmp_path: Path) -> None:
    """How many would change, by rule and with tips as examples; what was decided before is not counted."""
    book, _ = written(tmp_path, WITHOUT_ICCAM)
    async with chain(tmp_path / "mesh") as mesh:
        await mesh.send([hosted("NL", "T-1", **BASELINE), hosted("NL", "T-2"), hosted("SE", "T-3", **BASELINE)])
        world = load_world(mesh.settings)
        counted: list[int] = []
        hour = datetime.now(UTC) - timedelta(hours=1)

        tally = await compared(mesh.broker, world, book, hour, counted.append)
        same = await compared(mesh.broker, world, world.book, hour, counted.append)
        later = await compared(mesh.broker, world, book, datetime.now(UTC) + timedelta(hours=1), counted.append)

        tips = {one["tip_id"]: [to["id"] for to in one["destinations"]] for one in mesh.json(topics.DECISIONS)}
        told = tally.as_json()
        assert (told["decisions"], told["changed"], [one["rule"] for one in told["by_rule"]]) == (3, 1, ["R09"])
        (example,) = told["by_rule"][0]["examples"]
        assert tips[example["tip"]] == ["hotline-nl", "interpol-iccam"]
        assert (example["before"], example["after"]) == (("hotline-nl", "interpol-iccam"), ("hotline-nl",))
        assert (same.decisions, same.changed, later.decisions) == (3, 0, 0)
        assert sum(counted) == 9
