"""The router's hop under the runner of production, on the broker in memory."""

from uuid import uuid4

from contracts import topics
from contracts.events import CustodyEntry
from services.chassis.running.memory_run import Fed, MemoryRun
from services.router.hop import RouterHop
from tests.support.router_world import shipped
from tests.support.tips import NOW, URGENT, a_tip


def fed(topic: str, value: bytes) -> Fed:
    """A record with an event id."""
    return Fed(topic, value, key=b"0" * 32, headers=[("ce_id", str(uuid4()).encode())])


async def test_a_located_tip_becomes_referrals_a_decision_a_status_and_an_entry() -> None:
    """
    All in one transaction, urgent ones in the urgent lane; a broken record is dead-lettered.
    """
    tip, danger = a_tip("NL"), a_tip("SE", reference="T-2", group="1" * 32, **URGENT)
    async with MemoryRun(RouterHop(shipped(), 1), now=lambda: NOW) as run:
        await run.feed(
            fed(topics.LOCATED, tip.model_dump_json(by_alias=True).encode()),
            fed(topics.LOCATED + topics.URGENT, danger.model_dump_json(by_alias=True).encode()),
            fed(topics.LOCATED, b"{"),
        )
        await run.settle()

        routed, urgent = run.json(topics.ROUTED), run.json(topics.ROUTED + topics.URGENT)
        entries = [CustodyEntry.model_validate(entry) for entry in run.json(topics.CUSTODY)]
        assert {body["destination"] for body in routed} == {"hotline-nl", "interpol-iccam"}
        assert {body["destination"] for body in urgent} == {"police-se"}
        assert len(run.json(topics.DECISIONS)) == 2
        assert {body["status"] for body in run.json(topics.STATUS + "ecpat-se")} == {"routed"}
        assert sorted(entry.kind for entry in entries) == ["hop.routed", "hop.routed", "tip.parked"]
        announced = {out.event for entry in entries for out in entry.out if out.topic.startswith(topics.ROUTED)}
        carried = {
            str(dict(record.headers)["ce_id"].decode())
            for topic in (topics.ROUTED, topics.ROUTED + topics.URGENT)
            for record in run.records(topic)
        }
        assert announced == carried
        assert len(run.records(topics.LOCATED + topics.DLQ)) == 1
