"""
The notifier's hop that kills itself (SIGKILL) at one named step after the other.

Runs in the place of ``services.notifier``: ``python -m tests.chaos.killed_notifier notifier hop --id 0``.
Each life of the process dies at the next step of `STEPS`; which have been reached
stands in ``steps`` in the home folder, written through to the disk before the
kill. A life does some transactions of work first, so that the work goes on.
"""

import functools
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse
from aiokafka import AIOKafkaProducer

from services.chassis import process as chassis_process
from services.chassis import task as chassis_task
from services.chassis.hop import Input
from services.chassis.inputs import Inputs
from services.chassis.kafka_producer import KafkaTaskProducer
from services.chassis.lanes import Lanes
from services.chassis.sqlite_store import SqliteStore
from services.chassis.timers import Timers
from services.chassis.tuning import Tuning
from services.notifier.channels.webhook import WebhookEffects
from services.notifier.hop import NotifierHop

STEPS = (
    "polled",
    "decided",
    "transaction begun",
    "produced",
    "offsets sent",
    "committed",
    "store written",
    "timers followed",
    "effect begun",
    "request sent",
    "answer received",
    "told enqueued",
    "told decided",
    "told committed",
    "timer fired",
    "timer committed",
    "restored",
    "resumed",
)
AT_START = frozenset({"restored", "resumed"})
WARM = 8
"""Transactions before a life ends, unless it ends while it starts."""
BATCH = 4
"""Records in a transaction. A process that ends three times within one batch's length has a record to blame, which
is dead-lettered as designed; eighteen kills in a row must not look like that."""


class Life:
    """How far this process has come, and where it must end."""

    def __init__(self, home: Path) -> None:
        self._file = home / "steps"
        done = self._file.read_text().splitlines() if self._file.exists() else []
        self._next = STEPS[len(done)] if len(done) < len(STEPS) else None
        self.commits = 0
        self.decided = ""
        """What was decided on last."""

    def reach(self, step: str) -> None:
        """End here, if this is the step."""
        if step != self._next or (self.commits < WARM and step not in AT_START):
            return
        with self._file.open("a") as log:
            log.write(step + "\n")
            log.flush()
            os.fsync(log.fileno())
        os.kill(os.getpid(), signal.SIGKILL)


def after(owner: Any, name: str, then: Callable[..., None]) -> None:
    """Call *then* with the result and the arguments whenever ``owner.name`` has returned."""
    inner = getattr(owner, name)

    @functools.wraps(inner)
    def done(*arguments: Any, **named: Any) -> Any:
        result = inner(*arguments, **named)
        then(result, *arguments)
        return result

    setattr(owner, name, done)


def after_await(owner: Any, name: str, then: Callable[..., None]) -> None:
    """As `after`, for what is awaited."""
    inner = getattr(owner, name)

    @functools.wraps(inner)
    async def done(*arguments: Any, **named: Any) -> Any:
        result = await inner(*arguments, **named)
        then(result, *arguments)
        return result

    setattr(owner, name, done)


def before(owner: Any, name: str, first: Callable[[], None]) -> None:
    """Call *first* whenever ``owner.name`` is called."""
    inner = getattr(owner, name)

    @functools.wraps(inner)
    def begun(*arguments: Any, **named: Any) -> Any:
        first()
        return inner(*arguments, **named)

    setattr(owner, name, begun)


def arm(life: Life) -> None:
    """Watch every step."""
    vars(chassis_process)["Tuning"] = functools.partial(Tuning, batch_records=BATCH)

    def decided(_outcome: Any, _hop: Any, given: Input, _view: Any) -> None:
        timer = given.timer is not None and given.timer.key.startswith("retry/")
        life.decided = "told" if given.told is not None else "timer" if timer else "record" if given.record else ""
        life.reach({"told": "told decided", "timer": "timer fired", "record": "decided"}.get(life.decided, ""))

    def committed(_result: Any, *_arguments: Any) -> None:
        life.reach("committed")
        life.reach({"told": "told committed", "timer": "timer committed"}.get(life.decided, ""))
        life.commits += 1

    def sent() -> None:
        time.sleep(0.1)  # the bytes are on their way; the loop stands still, so no answer is read before the end
        life.reach("request sent")

    def reaching(step: str) -> Callable[..., None]:
        return lambda *_anything: life.reach(step)

    after_await(Lanes, "take", lambda records, *_arguments: life.reach("polled") if records else None)
    after(NotifierHop, "decide", decided)
    after(NotifierHop, "resume", reaching("resumed"))
    after_await(chassis_task, "restore", reaching("restored"))
    after_await(AIOKafkaProducer, "begin_transaction", reaching("transaction begun"))
    after_await(KafkaTaskProducer, "_send", reaching("produced"))
    after_await(AIOKafkaProducer, "send_offsets_to_transaction", reaching("offsets sent"))
    after_await(AIOKafkaProducer, "commit_transaction", committed)
    after(SqliteStore, "apply", reaching("store written"))
    after(Timers, "apply", reaching("timers followed"))
    before(WebhookEffects, "perform", functools.partial(life.reach, "effect begun"))
    before(ClientResponse, "start", sent)
    after_await(WebhookEffects, "perform", reaching("answer received"))
    after(Inputs, "told", reaching("told enqueued"))


def main() -> None:
    """Arm it, then run what `python -m services.notifier` would; the first argument is the service's name."""
    arm(Life(Path(os.environ["VIDARE_HOME"])))
    sys.argv = ["services.notifier", *sys.argv[2:]]
    runpy.run_module("services.notifier", run_name="__main__")


if __name__ == "__main__":
    main()
