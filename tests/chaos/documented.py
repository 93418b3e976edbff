"""
A notifier in the consume-transform-produce loop of the client's own documentation: the known-bad part of a mesh.

    python -m tests.chaos.documented notifier hop --id 0

Takes the place of a notifier process in the chaos test of the whole mesh, which must find what it loses and doubles.
The decision is the notifier's own; only the loop around it is the documented one.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence

from contracts.topics import ROUTED, URGENT
from services.chassis.codec import event_of
from services.chassis.hop import Input, Record
from services.chassis.onboarding import load_agencies
from services.chassis.running.runner import utc_now
from services.chassis.settings import Settings
from services.chassis.store.state import MemoryStore, Overlay
from services.notifier.hop import NotifierHop
from services.notifier.onboarded import Onboarded
from tests.chaos.known_bad import Sending, documented_loop
from tests.chaos.slow import busy_file, slow_down


def notifying(hop: NotifierHop) -> Callable[[Record], Sequence[Sending]]:
    """Decide as *hop* does, remembering in this process only."""
    store = MemoryStore()

    def decide(record: Record) -> Sequence[Sending]:
        outcome = hop.decide(Input(event_of(record, untrusted=False), utc_now(), record), Overlay(store))
        store.apply(outcome.puts, None)
        return [Sending(emit.topic, emit.body, emit.key.encode()) for emit in outcome.events]

    return decide


def main() -> int:
    """Run until killed."""
    settings = Settings()
    slow_down(NotifierHop, busy_file(settings.home, "notifier", sys.argv[-1]))
    agencies = Onboarded.of(load_agencies(settings))
    hop = NotifierHop(agencies, partitions=settings.partitions, proofs="http://127.0.0.1:8105")
    topics = (ROUTED + URGENT, ROUTED)
    asyncio.run(documented_loop(settings.kafka or "", hop.name, topics, notifying(hop), session_ms=10_000))
    return 0


if __name__ == "__main__":
    sys.exit(main())
