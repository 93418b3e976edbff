"""Agencies' endpoints on a simulated clock: good, or as bad as their trouble of the hour."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from random import Random

from services.chassis.hop import Effect
from services.notifier.delivering.attempt import AttemptEnd, read_body
from services.notifier.delivering.schedule import retry_after
from tests.support.notifier_sim import Play, referral_of

RETRY_AFTER: tuple[tuple[str | None, float | None], ...] = (
    (None, None), ("60", 60), ("1800", 1800), ("999999999", 999_999_999), ("0", None), ("-1", None), ("1e9", None),
    ("Wed", None), ("junk \x00", None), ("9" * 40, None), ("date", 600), ("past", None),
)  # fmt: skip
"""What an agency may write there, and the seconds that it asks for."""


@dataclass(slots=True)
class Trouble:
    """An endpoint in its bad hours."""

    begins: int
    ends: int
    mode: str


@dataclass(slots=True)
class Endpoints:
    """Every agency's endpoint: good, or as bad as its trouble of the hour."""

    draw: Random
    troubles: dict[str, list[Trouble]] = field(default_factory=dict)
    """By lane: mail and webhook of an agency have bad hours of their own."""
    effects: dict[str, bytes] = field(default_factory=dict)
    """What the agencies did with what they got: one effect for each id and channel."""
    doubled: list[str] = field(default_factory=list)

    def __call__(self, effect: Effect, true: int, now: datetime) -> Play:
        """Meet *effect*."""
        mail = effect.kind == "email"
        if not mail and not read_body(effect.body)[1]:
            return Play(AttemptEnd(fault="internal"), 0.01)
        found = [each for each in self.troubles.get(effect.lane, ()) if each.begins <= true < each.ends]
        if mail:
            play = self._mail(found[0].mode if found else "good")
        else:
            play = self._bad(found[0].mode, now) if found else self._good()
        if play.arrives:
            self._arrived(f"{effect.kind} {referral_of(effect)}", effect.body)
        return play

    def _arrived(self, referral: str, document: bytes) -> None:
        if self.effects.setdefault(referral, document) != document:
            self.doubled.append(referral)

    def _good(self) -> Play:
        return Play(AttemptEnd(status=self.draw.choice((200, 202, 204))), self.draw.uniform(0.05, 2.0), arrives=True)

    def _mail(self, mode: str) -> Play:
        draw = self.draw
        if mode in ("good", "slow"):
            return Play(AttemptEnd(reply=draw.choice((250, 251))), draw.uniform(0.1, 3.0), arrives=True)
        if mode in ("refusing", "gone"):
            return Play(AttemptEnd(reply=draw.choice((550, 553, 554))), 0.2)
        if mode in ("closing", "mute"):
            return Play(AttemptEnd(fault="timeout"), 20.0, arrives=draw.random() < 0.5)
        return Play(AttemptEnd(reply=draw.choice((421, 450, 451, 452))), 0.2)

    def _bad(self, mode: str, now: datetime) -> Play:
        draw = self.draw
        plays = {
            "refusing": Play(AttemptEnd(status=draw.choice((301, 400, 401, 403, 404, 413, 418))), 0.1),
            "closing": Play(AttemptEnd(fault="protocol"), 0.2, arrives=True),
            "mute": Play(AttemptEnd(fault="timeout"), 15.0, arrives=draw.random() < 0.5),
            "gone": Play(AttemptEnd(status=410), 0.1),
            "slow": Play(AttemptEnd(status=200), draw.uniform(4.0, 14.0), arrives=True),
            "down": Play(AttemptEnd(status=draw.choice((500, 502, 503, 504, 425, 408))), 0.1),
        }
        return plays.get(mode) or self._busy(now)

    def _busy(self, now: datetime) -> Play:
        text, asked = self.draw.choice(RETRY_AFTER)
        wait = retry_after(_header(text, now), now)
        seconds = int(wait.total_seconds()) if wait else None
        return Play(AttemptEnd(status=self.draw.choice((429, 503)), retry_after_s=seconds), 0.1, asked=asked)


def _header(text: str | None, now: datetime) -> str | None:
    if text == "date":
        return format_datetime(now + timedelta(seconds=600))
    return format_datetime(now - timedelta(seconds=600)) if text == "past" else text
