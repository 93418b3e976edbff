"""Two operators replay the same dead letters at once: each letter goes back once, and who was too late is told."""

import asyncio

import pytest

from contracts import headers as h
from services.chassis.broker.broker_port import Out
from services.chassis.broker.memory import MemoryBroker
from services.cli.commands.dlq import BATCH, Sent, send_back

TOPIC = "tips-received-dlq"
LETTERS = 3 * BATCH + 7


def a_broker() -> MemoryBroker:
    """A broker with dead letters."""
    broker = MemoryBroker(auto_partitions=1)
    origin = [(h.DLQ_TOPIC, b"tips-received"), (h.DLQ_PARTITION, b"0"), (h.DLQ_OFFSET, b"4")]
    broker.append([Out(TOPIC, 0, b"k", str(number).encode(), origin, 0) for number in range(LETTERS)])
    return broker


@pytest.mark.parametrize("people", [1, 2, 5])
async def test_case_86_two_operators_replay_the_same_letters(people: int) -> None:
    """Whatever the order in which they come to it, every letter is back where it came from exactly once."""
    broker = a_broker()
    done = await asyncio.gather(*(send_back(broker, TOPIC, f"duty-{number}") for number in range(people)))

    assert [str(number).encode() for number in range(LETTERS)] == [
        each.value for each in broker.records("tips-received")
    ]
    assert LETTERS == sum(sent.letters for sent in done)
    assert [Sent(LETTERS)] == [sent for sent in done if sent.letters]


@pytest.mark.parametrize("before", range(5))
async def test_case_86_the_second_begins_in_the_middle_of_the_first(before: int) -> None:
    """After any number of its transactions the first is overtaken: the second goes on behind what was done."""
    broker, commits = a_broker(), []
    second: list[asyncio.Task[Sent]] = []

    def begins(_who: str, _outs: object) -> None:
        commits.append(1)
        if len(commits) == before + 1 and not second:
            second.append(asyncio.create_task(send_back(broker, TOPIC, "duty-2")))

    broker.before_commit = begins
    first = await send_back(broker, TOPIC, "duty-7")
    other = await second[0] if second else Sent(0)

    assert LETTERS == len(broker.records("tips-received")) == first.letters + other.letters
    assert first.overtaken is bool(other.letters)


async def test_nothing_is_left_for_a_third() -> None:
    """A replay afterwards finds nothing and is no failure."""
    broker = a_broker()
    await send_back(broker, TOPIC, "duty-7")

    assert Sent(0) == await send_back(broker, TOPIC, "duty-2")
