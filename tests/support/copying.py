"""A hop that copies: what the chassis promises, seen without any service's rules."""

import os
import random
import time
from collections.abc import Sequence

from contracts.vocabulary import DeadReason
from services.chassis.errors import Poison
from services.chassis.hop import Effects, Emit, Entry, Input, Lane, Outcome, TaskSpec, View, same_partition_topics


class CopyHop:
    """Writes every record on, counts them in its state; ``bad`` is poison."""

    untrusted = False
    version = "test"
    effects: Effects | None = None

    def __init__(self, prefix: str, partitions: int, *, stateful: bool = True) -> None:
        self.name = f"{prefix}copy"
        self.source = f"{prefix}in"
        self.target = f"{prefix}out"
        self._changelog = f"{prefix}log" if stateful else None
        self._partitions = partitions

    def tasks(self) -> Sequence[TaskSpec]:
        """One task per partition of both lanes."""
        lanes = [Lane(self.source), Lane(self.source + "-urgent", urgent=True)]
        return same_partition_topics(lanes, self._partitions, changelog=self._changelog)

    def decide(self, given: Input, view: View) -> Outcome:
        """Copy, and number the copies of a task without a gap."""
        record = given.record
        assert record is not None
        if record.value is None or record.value.startswith(b"bad"):
            raise Poison(DeadReason.NOT_JSON)
        number = int(view.get("count") or b"0") + 1
        copy = Emit(self.target, f"{record.partition}/{number}", "copy/1", record.value, partition=record.partition)
        entries = [Entry("hop.copied", None, "test")] if self._changelog is None else []
        puts: dict[str, bytes | None] = {"count": str(number).encode()} if self._changelog else {}
        return Outcome(events=[copy], puts=puts, entries=entries)


class ChaosHop(CopyHop):
    """
    A copying hop with the faults of life, told by the environment.

    ``SLOW_SHARE`` of the records take ``SLOW_S``; ``BUSY_S`` is what every record takes;
    a value beginning with ``kill`` ends the process in the middle of its decision.
    """

    def __init__(self, prefix: str, partitions: int) -> None:
        super().__init__(prefix, partitions)
        self._slow_share = float(os.environ.get("SLOW_SHARE", "0"))
        self._slow_s = float(os.environ.get("SLOW_S", "3"))
        self._busy_s = float(os.environ.get("BUSY_S", "0"))
        self._random = random.Random(os.getpid())

    def decide(self, given: Input, view: View) -> Outcome:
        """Copy, slowly at times."""
        if given.record is not None and (given.record.value or b"").startswith(b"kill"):
            os._exit(9)
        if self._busy_s:
            time.sleep(self._busy_s)
        if self._random.random() < self._slow_share:
            time.sleep(self._slow_s)
        return super().decide(given, view)
