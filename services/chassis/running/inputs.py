"""What a task has in hand: records of both lanes, ends of effects, and its hold on the gate."""

import asyncio
from collections import deque
from collections.abc import Mapping

from services.chassis.broker.broker_port import Spot
from services.chassis.hop import Record, TaskSpec, Told
from services.chassis.running.gate import Gate
from services.chassis.running.lanes import Lanes


class Inputs:
    """Filled by the readers and the effects, emptied by the turns of the task."""

    def __init__(self, spec: TaskSpec, lanes: Lanes, gate: Gate) -> None:
        self.taken: dict[Spot, int] = {}
        """Next offset of each partition that is not in hand."""
        self.hand: dict[bool, deque[Record]] = {True: deque(), False: deque()}
        """Records taken and not decided, by lane (True: urgent)."""
        self.tolds: deque[Told] = deque()
        self.wake = asyncio.Event()
        self.held_back = False
        """True while the task may not close the gate: it waits for something outside, or ends."""
        self.urgent_open = False
        """True from the notice of urgent records to their commit; the gate is closed meanwhile."""
        self._here: dict[bool, bool] = {True: False, False: False}
        self._lane_of = {Spot(topic, partition): urgent for topic, partition, urgent in spec.inputs}
        self._lanes = lanes
        self._gate = gate

    def positions(self, *, urgent: bool) -> Mapping[Spot, int]:
        """Partitions of one lane, and the next offset of each that is not in hand."""
        return {spot: self.taken[spot] for spot, lane in self._lane_of.items() if lane == urgent}

    def urgent(self, spot: Spot) -> bool:
        """True if *spot* is of the urgent lane."""
        return self._lane_of[spot]

    def notice(self, *, urgent: bool) -> None:
        """Records are here; urgent ones close the gate until they are committed."""
        self._here[urgent] = True
        if urgent and not self.urgent_open and not self.held_back:
            self.urgent_open = True
            self._gate.close()
        self.wake.set()

    def told(self, told: Told) -> None:
        """An effect has ended."""
        self.tolds.append(told)
        self.wake.set()

    def release(self) -> None:
        """No urgent record of ours is open any more."""
        if self.urgent_open:
            self.urgent_open = False
            self._gate.open()

    def any(self) -> bool:
        """True while something is in hand."""
        return bool(self.hand[True] or self.hand[False] or self.tolds)

    async def fill(self, *, urgent: bool, room: int) -> bool:
        """Take records that are here, if there are none in hand; False if there are none at all."""
        hand = self.hand[urgent]
        if hand or not self._here[urgent]:
            return bool(hand)
        self._here[urgent] = False
        for spot, lane in self._lane_of.items():
            if lane == urgent:
                records = await self._lanes.take(spot, room, urgent=urgent)
                if records:
                    hand.extend(records)
                    self.taken[spot] = records[-1].offset + 1
                    self._here[urgent] = True  # there may be more than there was room for
        return bool(hand)
