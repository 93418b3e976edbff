"""
Errors, sorted by what the runner does about them.

    VidareError
    |- Poison         this record can never succeed      -> dead-letter it, go on
    |- Unavailable    something outside is down           -> abort, wait, read again
    |- Fenced         a newer worker owns the task        -> end this process
    `- Misconfigured  no record can succeed               -> exit 78 (EX_CONFIG)
"""

from datetime import timedelta

from contracts.vocabulary import DeadReason

EX_CONFIG = 78


class VidareError(Exception):
    """Root of the verdicts; its text never holds what a tip says."""


class Poison(VidareError):
    """The record can never succeed; it goes to the dead letters with its bytes."""

    def __init__(self, reason: DeadReason) -> None:
        super().__init__(f"poison: {reason.value}")
        self.reason = reason


class Unavailable(VidareError):
    """Something outside is down; the same record may succeed later."""

    def __init__(self, what: str, *, retry_after: timedelta = timedelta(seconds=1)) -> None:
        super().__init__(f"{what} is unavailable; next try in {retry_after}")
        self.what = what
        self.retry_after = retry_after


class Fenced(VidareError):
    """A newer worker owns the task; this process must end without another write."""


class Misconfigured(VidareError):
    """No record can succeed with this configuration; says what, where and what to do."""
