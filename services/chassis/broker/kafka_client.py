"""
What we change in the client, in one place; aiokafka is pinned because private names are touched here.

Reasons and measurements: contracts/decisions/0010 to 0014.
"""

# ruff: noqa: ANN401 - the client ships no types, and what it keeps to itself is needed here

from typing import Any

from aiokafka.errors import KafkaError
from aiokafka.producer import sender

from services.chassis.broker import kafka_records

CONCURRENT_TRANSACTIONS_BACKOFF_S = 0.002
"""Wait before a new transaction while the last one's markers are written; the client's 20 ms triple a small batch."""


class _Once:
    """
    Sends a request of a transaction once.

    The client repeats one that was cut off or timed out, unseen; whether the
    first was done is then unknown, and a late one could hit the next transaction.
    """

    _sender: Any
    group: Any

    async def do(self, node_id: Any) -> bool:
        """Send, and raise where nobody can know whether it was done."""
        try:
            response = await self._sender.client.send(node_id, self.create_request(), group=self.group)
        except KafkaError as error:
            raise KafkaError(f"{type(self).__name__}: nobody knows whether it was done ({error!r})") from error
        backoff = self.handle_response(response)
        if backoff is None:
            return True
        await sender.asyncio.sleep(backoff)
        return False

    def create_request(self) -> Any:
        """The request (the client's own)."""
        raise NotImplementedError

    def handle_response(self, response: Any) -> float | None:
        """What to do with the answer (the client's own)."""
        raise NotImplementedError


def install() -> None:
    """Make the changes; doing it twice does no harm."""
    sender.BACKOFF_OVERRIDE = CONCURRENT_TRANSACTIONS_BACKOFF_S
    kafka_records.install()
    for name in ("AddPartitionsToTxnHandler", "AddOffsetsToTxnHandler", "TxnOffsetCommitHandler", "EndTxnHandler"):
        getattr(sender, name).do = _Once.do


install()
