"""
Takes one submission at the door: refuse what needs no memory to refuse, append the rest to its sender's inbox.

The answer is given when the submission is durable, and not before.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

from contracts import headers, telemetry, topics
from contracts.onboarding import Partner
from contracts.vocabulary import RefusalReason
from services.chassis.clock import Clock
from services.chassis.telemetry.logs import logger
from services.chassis.telemetry.metrics import Metrics
from services.chassis.telemetry.tracecontext import trace_of_tip
from services.intake.check import Accepted, Refused, check_submission
from services.intake.problems import Problem, refusal_problem
from services.intake.view import RECEIVED, StatusView, state_of

RECENT = 20_000
"""Submissions remembered until the view shows them; more than a minute of a full inbox."""

DIGEST_SHOWN = 20
"""Characters of a digest in a log: enough to find it, too short for a hash of a file."""


class Appender(Protocol):
    """What appends to an inbox and returns when the record is durable."""

    async def append(
        self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = (), partition: int = 0
    ) -> tuple[int, int]:
        """
        Append; return partition and offset.

        Raises:
            Unavailable: It is not durable.
        """


class Caller(NamedTuple):
    """Who sends, and the context of the request's span; empty where each tip of the request begins its own trace."""

    partner: Partner
    traceparent: bytes = b""
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Recent:
    """A submission that this door took a moment ago."""

    tip_id: UUID
    urgent: bool
    priority: str


class Desk:
    """Takes submissions; holds nothing but what it took a moment ago."""

    def __init__(self, inbox: Appender, view: StatusView, clock: Clock, metrics: Metrics, key: bytes) -> None:
        self._inbox = inbox
        self._view = view
        self._clock = clock
        self._metrics = metrics
        self._key = key
        self._recent: OrderedDict[tuple[str, str], Recent] = OrderedDict()
        self._tips: OrderedDict[tuple[str, UUID], Recent] = OrderedDict()

    async def take(self, data: bytes, caller: Caller) -> dict[str, object]:
        """
        Take *data* from *caller*.

        Raises:
            Problem: It is refused.
            Unavailable: It is not durable; nothing is promised.
        """
        checked = check_submission(data, caller.partner, self._clock.now(), key=self._key)
        if isinstance(checked, Refused):
            raise self._refuse(checked, caller.partner)
        tip = self._tip_of(caller.partner.id, checked)
        urgent = self._lane(caller.partner.id, checked)
        topic = topics.inbox(caller.partner.id, urgent=urgent)
        written = [(headers.VIDARE_VIA, b"http")]
        if caller.traceparent:
            written.append((headers.TRACEPARENT, caller.traceparent))
        await self._inbox.append(topic, None, data, written)
        priority = checked.triage.level.value
        self._remember(caller.partner.id, checked, Recent(tip, urgent, priority))
        trace = caller.trace_id or trace_of_tip(str(tip)).hex()
        return {"tip_id": str(tip), "trace_id": trace, "priority": priority}

    def state(self, partner: str, tip: UUID) -> dict[str, object] | None:
        """What *partner* may know of its own *tip*; one that was taken a moment ago is received."""
        found = self._view.state(partner, tip)
        recent = self._tips.get((partner, tip))
        if found is not None or recent is None:
            return found
        return state_of(str(tip), []) | {"state": RECEIVED, "priority": recent.priority}

    def _refuse(self, refused: Refused, partner: Partner) -> Problem:
        reason = refused.reason.value
        self._metrics.count(telemetry.REFUSALS, via="http", reason=reason)
        if refused.reason is RefusalReason.MEDIA_REFUSED:  # somebody must talk to this sender; the rest is counted only
            digest = refused.digest[:DIGEST_SHOWN]
            logger().warning("media refused", partner=partner.id, reason=reason, digest=digest, count=refused.size)
        return refusal_problem(refused)

    def _tip_of(self, partner: str, checked: Accepted) -> UUID:
        """The tip of a correction is that of what it corrects: from the view, else from what was taken just now."""
        for reference in (checked.supersedes, checked.event.reference):
            if reference is not None and (tip := self._known(partner, reference)):
                return tip
        return checked.tip_id

    def _known(self, partner: str, reference: str) -> UUID | None:
        recent = self._recent.get((partner, reference))
        return self._view.tip_of(partner, reference) or (recent.tip_id if recent else None)

    def _lane(self, partner: str, checked: Accepted) -> bool:
        """
        Which inbox: by triage; but a correction never overtakes what it corrects.

        While the view does not show the earlier submission as accepted, it may
        still wait in its inbox.
        """
        earlier = checked.supersedes
        recent = self._recent.get((partner, earlier)) if earlier else None
        if earlier and recent and self._view.tip_of(partner, earlier) is None:
            return recent.urgent
        return checked.triage.level.urgent

    def _remember(self, partner: str, checked: Accepted, recent: Recent) -> None:
        self._recent[partner, checked.event.reference] = recent
        self._tips[partner, recent.tip_id] = recent
        for store in (self._recent, self._tips):
            while len(store) > RECENT:
                store.popitem(last=False)
