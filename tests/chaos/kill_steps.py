"""
The named steps at which a notifier is killed (SIGKILL), and how a process notices that it has come to one.

A life of the process dies at the next step of its list. Which were reached stands
in ``steps`` in its home folder, written through to the disk before the kill. A life
does some transactions of work first, so that the work goes on.
"""

import functools
import os
import signal
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiosmtplib
from aiohttp import ClientResponse
from aiokafka import AIOKafkaProducer
from aiosmtplib.protocol import SMTPProtocol

from services.chassis.broker.kafka_producer import KafkaTaskProducer
from services.chassis.hop import Effect, Input, Outcome, Told
from services.chassis.running import process as chassis_process
from services.chassis.running import task as chassis_task
from services.chassis.running.inputs import Inputs
from services.chassis.running.lanes import Lanes
from services.chassis.running.tuning import Tuning
from services.chassis.running.turns import Turns
from services.chassis.store.sqlite_store import SqliteStore
from services.chassis.store.timers import Timers
from services.notifier.channels.email import EmailEffects
from services.notifier.channels.webhook import WebhookEffects
from services.notifier.delivering import digest
from services.notifier.delivering.attempt import AttemptEnd, read_body
from services.notifier.hop import NotifierHop

WORK = (
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
MAIL = ("mail begun", "before DATA", "mail reply came", "mail taken", "mail ended")
DIGEST = (
    "gathered",
    "gathering committed",
    "digest departing",
    "digest departed",
    "digest begun",
    "digest taken",
    "digest told decided",
)
STEPS = WORK + MAIL + DIGEST
AT_START = frozenset({"restored", "resumed"})
WARM, WARM_RECORDS = 8, 12
"""Transactions, and records in them, before a life ends, unless it ends while it starts."""
BATCH = 4
"""Records in a transaction. A process that ends three times within one batch's length has a record to blame, which
is dead-lettered as designed; a dozen kills in a row must not look like that."""
GATHERS = timedelta(seconds=1.5)
"""Until a digest leaves; the real one leaves at a time of the day."""


class Life:
    """How far this process has come, and where it must end."""

    def __init__(self, home: Path, steps: Sequence[str]) -> None:
        self._file = home / "steps"
        done = self._file.read_text().splitlines() if self._file.exists() else []
        self.last = done[-1] if done else None
        """The step at which the life before this one ended."""
        self._next = steps[len(done)] if len(done) < len(steps) else None
        self._commits = self._records = 0
        self._kinds: list[str] = []
        """What has been decided on in this transaction."""

    def reach(self, step: str) -> None:
        """End here, if this is the step."""
        warm = self._commits >= WARM and self._records >= WARM_RECORDS
        if step != self._next or not (warm or step in AT_START):
            return
        with self._file.open("a") as log:
            log.write(step + "\n")
            log.flush()
            os.fsync(log.fileno())
        os.kill(os.getpid(), signal.SIGKILL)

    def turned(self) -> None:
        """A turn of the task begins."""
        self._kinds.clear()

    def decided(self, kind: str, step: str) -> None:
        """Something of this kind was decided on."""
        self._kinds.append(kind)
        self.reach(step)

    def wrote(self, step: str) -> None:
        """A transaction has come this far; those that take no referral end nobody, little would be lost with them."""
        if "record" in self._kinds:
            self.reach(step)

    def committed(self) -> None:
        """A transaction is committed, and nothing has followed from it yet."""
        names = {
            "record": "committed",
            "told": "told committed",
            "retry": "timer committed",
            "gathered": "gathering committed",
            "departure": "digest departed",
        }
        for kind in dict.fromkeys(self._kinds):
            self.reach(names.get(kind, ""))
        self._commits += 1
        self._records += self._kinds.count("record") + self._kinds.count("gathered")


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


def before(owner: Any, name: str, first: Callable[..., None]) -> None:
    """Call *first* with the arguments whenever ``owner.name`` is called."""
    inner = getattr(owner, name)

    @functools.wraps(inner)
    def begun(*arguments: Any, **named: Any) -> Any:
        first(*arguments)
        return inner(*arguments, **named)

    setattr(owner, name, begun)


def arm(life: Life) -> None:
    """Watch every step."""
    vars(chassis_process)["Tuning"] = functools.partial(Tuning, batch_records=BATCH)
    _watch_transactions(life)
    _watch_webhooks(life)
    _watch_mail(life)


def _watch_transactions(life: Life) -> None:
    def reaching(step: str) -> Callable[..., None]:
        return lambda *_anything: life.reach(step)

    def wrote(step: str) -> Callable[..., None]:
        return lambda *_anything: life.wrote(step)

    after_await(chassis_task, "restore", reaching("restored"))
    after(NotifierHop, "resume", reaching("resumed"))
    before(Turns, "turn", lambda _turns: life.turned())
    after_await(Lanes, "take", lambda records, *_arguments: life.reach("polled") if records else None)
    after(NotifierHop, "decide", lambda outcome, _hop, given, _view: life.decided(*_decided(given, outcome)))
    after_await(AIOKafkaProducer, "begin_transaction", wrote("transaction begun"))
    after_await(KafkaTaskProducer, "_send", wrote("produced"))
    after_await(AIOKafkaProducer, "send_offsets_to_transaction", wrote("offsets sent"))
    after_await(AIOKafkaProducer, "commit_transaction", lambda *_anything: life.committed())
    after(SqliteStore, "apply", wrote("store written"))
    after(Timers, "apply", wrote("timers followed"))
    after(Inputs, "told", reaching("told enqueued"))


def _decided(given: Input, outcome: Outcome) -> tuple[str, str]:
    """What an input was, and the step that the decision on it is."""
    if given.told is not None:
        return "told", "digest told decided" if any(
            key.startswith(digest.DIGEST) for key in outcome.puts
        ) else "told decided"
    if given.timer is not None:
        name = given.timer.key.partition("/")[0]
        steps = {"retry": "timer fired", digest.DEPARTURE: "digest departing"}
        return (name, steps[name]) if name in steps else ("", "")
    gathered = any(key.startswith(digest.GATHERED) for key in outcome.puts)
    return ("gathered", "gathered") if gathered else ("record", "decided")


def _watch_webhooks(life: Life) -> None:
    def sent(_answer: ClientResponse, *_arguments: Any) -> None:
        time.sleep(0.1)  # the bytes are on their way; the loop stands still, so no answer is read before the end
        life.reach("request sent")

    before(WebhookEffects, "perform", lambda *_anything: life.reach("effect begun"))
    before(ClientResponse, "start", sent)
    after_await(WebhookEffects, "perform", lambda *_anything: life.reach("answer received"))


def _watch_mail(life: Life) -> None:
    def soon(now: datetime) -> datetime:
        return now + GATHERS

    def replied(_protocol: SMTPProtocol, data: bytes) -> None:
        if data.startswith(b"250 taken"):
            life.reach("mail reply came")

    def ended(told: Told, _effects: EmailEffects, effect: Effect) -> None:
        if AttemptEnd.model_validate_json(told.body).reply == 250:
            life.reach("digest taken" if _lists(effect) else "mail ended")

    vars(digest)["next_departure"] = soon
    before(
        EmailEffects, "perform", lambda _effects, effect: life.reach("digest begun" if _lists(effect) else "mail begun")
    )
    before(aiosmtplib.SMTP, "data", lambda *_anything: life.reach("before DATA"))
    before(SMTPProtocol, "data_received", replied)
    after_await(aiosmtplib.SMTP, "data", lambda *_anything: life.reach("mail taken"))
    after_await(EmailEffects, "perform", ended)


def _lists(effect: Effect) -> bool:
    notice = read_body(effect.body)[0].notice
    return notice is not None and notice.digest
