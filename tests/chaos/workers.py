"""
Worker processes of the chaos test: the chassis's own loop, or the client's documented one.

    python -m tests.chaos.workers ours|docs PREFIX PARTITIONS MEMBER
"""

import asyncio
import sys
from dataclasses import replace

from services.chassis.running.process import run_hop
from services.chassis.running.tuning import Tuning
from services.chassis.settings import Settings
from services.chassis.telemetry.telemetry_port import NoRecorder
from tests.chaos.known_bad import copying, documented_loop
from tests.support.copying import ChaosHop

LIMIT = 200 * 1024
"""``max.message.bytes`` of the output topic."""
TUNING = Tuning(session_ms=6_000, heartbeat_ms=1_000, batch_records=40, deadline_s=10.0)
"""Batches and time-outs of the measured runs in the design: small batches give more chances to fail."""


def main(kind: str, prefix: str, partitions: int, member: str) -> int:
    """Run one worker until it is killed or told to stop."""
    hop = ChaosHop(prefix, partitions)
    settings = Settings()
    if kind == "docs":
        asyncio.run(documented_loop(settings.kafka or "", hop.name, [hop.source], copying(hop), session_ms=6_000))
        return 0
    tuning = replace(TUNING, limits={hop.target: LIMIT})
    return run_hop(hop, settings, member=member, recorder=NoRecorder(), tuning=tuning)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
