"""``vidare submit``: check submissions with intake's own decision, publish the good ones to the partner's inbox."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from contracts.onboarding import Partner
from contracts.topics import inbox
from services.chassis.broker.broker_port import Out
from services.chassis.onboarding import load_partners
from services.chassis.settings import Settings
from services.cli import output
from services.cli.context import load_settings, with_broker
from services.cli.kafka_io import connected, now_ms, write
from services.cli.progress import Advance, progress
from services.cli.wronguse import WrongUse

BOM = b"\xef\xbb\xbf"
"""Some editors write it in front of a file."""

BATCH = 500
"""Submissions in one transaction."""
_NO_KEY = b"the ids of a dry check are thrown away"


@dataclass(frozen=True, slots=True)
class Given:
    """One submission and where it stood."""

    where: str
    """File and line."""
    data: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one submission."""

    where: str
    reference: str | None
    sent: bool
    topic: str | None = None
    reason: str | None = None
    pointer: str | None = None


def split(name: str, data: bytes) -> Iterator[Given]:
    """Cut a file into submissions: one JSON document, an array of them, or one on each line."""
    data = data.removeprefix(BOM)
    try:
        whole = orjson.loads(data)
    except orjson.JSONDecodeError:
        for number, text in enumerate(data.splitlines(), 1):
            if text.strip():
                yield Given(f"{name}:{number}", text)
        return
    if isinstance(whole, list):
        yield from (Given(f"{name}#{number}", orjson.dumps(item)) for number, item in enumerate(whole))
    else:
        yield Given(name, data.strip())


def judge(given: Given, partner: Partner, now: datetime) -> Answer:
    """Decide on one submission as intake will, as far as no memory is needed, and choose its lane."""
    from services.intake.check import Refused, check_submission  # noqa: PLC0415 - keeps `vidare --help` quick

    found = check_submission(given.data, partner, now, key=_NO_KEY)
    if isinstance(found, Refused):
        return Answer(given.where, found.reference, sent=False, reason=found.reason.value, pointer=found.pointer)
    return Answer(given.where, found.event.reference, sent=True, topic=inbox(partner.id, urgent=found.event.urgent))


async def publish(settings: Settings, pairs: Sequence[tuple[Given, Answer]], told: Callable[[int], None]) -> None:
    """Publish what is not refused, in order, a transaction for each few hundred."""
    good = [(given, answer.topic) for given, answer in pairs if answer.topic is not None]
    async with connected(settings.kafka or "") as broker:
        for start in range(0, len(good), BATCH):
            some = good[start : start + BATCH]
            await write(
                broker, [Out(topic, 0, None, given.data, [], now_ms()) for given, topic in some], writer="submit"
            )
            told(len(some))


def read_files(files: Sequence[str]) -> list[Given]:
    """
    Read every file; ``-`` is standard input.

    Raises:
        WrongUse: A file cannot be read.
    """
    made: list[Given] = []
    for name in files:
        try:
            data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as error:
            msg = f"{name} cannot be read: {error.strerror}"
            raise WrongUse(msg) from None
        made += split("stdin" if name == "-" else name, data)
    return made


def partner_named(settings: Settings, name: str) -> Partner:
    """
    Find the partner *name*.

    Raises:
        WrongUse: Nobody is onboarded under this id; names those who are.
    """
    partners = load_partners(settings)
    if name not in partners:
        msg = f"no partner {name!r} in {settings.partners_file}; there are {', '.join(sorted(partners))}"
        raise WrongUse(msg)
    return partners[name]


def submit(files: Sequence[str], as_: str, *, json: bool = False) -> int:
    """Check and publish; 1 if one was refused, the others are sent all the same."""
    settings = with_broker(load_settings())
    partner = partner_named(settings, as_)
    given = read_files(files)
    with progress("checking and sending", len(given) * 2) as advance:
        pairs = _judged(given, partner, advance)
        asyncio.run(publish(settings, pairs, advance))
    answers = [answer for _, answer in pairs]
    _report(answers, json=json)
    return 1 if any(not answer.sent for answer in answers) else 0


def _judged(given: Sequence[Given], partner: Partner, advance: Advance) -> list[tuple[Given, Answer]]:
    made = []
    for one in given:
        made.append((one, judge(one, partner, datetime.now(UTC))))
        advance(1)
    return made


def _report(answers: Sequence[Answer], *, json: bool) -> None:
    refused = [answer for answer in answers if not answer.sent]
    if json:
        rows = [{"where": a.where, "reference": a.reference, "reason": a.reason, "pointer": a.pointer} for a in refused]
        output.as_json({"sent": len(answers) - len(refused), "refused": rows})
        return
    for answer in refused:
        output.note(f"refused {answer.where}: {answer.reason} at {answer.pointer or 'the whole document'}")
    output.line(f"sent {len(answers) - len(refused)}, refused {len(refused)}")
