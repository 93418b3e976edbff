"""How a door appends to an inbox: durable when it returns, `Unavailable` when it is not."""

# ruff: noqa: ANN401, SLF001 - the client ships no types, and what it keeps to itself is needed here

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from contracts.vocabulary import DeadReason
from services.chassis.broker.broker_port import Place
from services.chassis.errors import Poison, Unavailable

WITHIN_S = 5.0
LARGEST = 3 * 1024 * 1024


class DoorProducer:
    """A plain idempotent producer; a door holds no transaction."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._client: Any = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """
        Connect; `append` does it again if it must.

        Raises:
            Unavailable: The broker does not answer.
        """
        async with self._starting:
            if self._client is not None:
                return
            client = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap, enable_idempotence=True, acks="all", max_request_size=LARGEST,
                request_timeout_ms=int(WITHIN_S * 1000), retry_backoff_ms=50,
            )  # fmt: skip
            try:
                async with asyncio.timeout(WITHIN_S):
                    await client.start()
            except Exception as error:
                with suppress(Exception):
                    await client.client.close()
                client._closed = True
                raise Unavailable("the broker") from error
            self._client = client

    async def append(
        self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = (), partition: int = 0
    ) -> Place:  # fmt: skip
        """
        Append one record and return where it lies, once it is durable.

        Raises:
            Unavailable: Nobody knows whether it is; the same record may be appended again.
            Poison: It is larger than the topic allows.
        """
        await self.start()
        client = self._client
        try:
            async with asyncio.timeout(WITHIN_S):
                done = await client.send_and_wait(topic, value, key, partition, headers=list(headers))
        except MessageSizeTooLargeError:
            await self._drop(client)
            raise Poison(DeadReason.TOO_LARGE) from None
        except Exception as error:
            await self._drop(client)
            raise Unavailable("the broker") from error
        return Place(done.partition, done.offset)

    async def answers(self) -> bool:
        """Tell whether the broker can be reached now; connects where it must."""
        try:
            await self.start()
            async with asyncio.timeout(WITHIN_S):
                return bool(await self._client.client.force_metadata_update())
        except (Unavailable, AttributeError, TimeoutError):  # a failed append may have dropped the client meanwhile
            return False

    async def _drop(self, client: Any) -> None:
        """After a failure the client's sequence is broken: every later record would fail too. Make a new one."""
        if self._client is client:
            self._client = None
            await _let_go(client, 1.0)

    async def stop(self) -> None:
        """Close."""
        if self._client is not None:
            client, self._client = self._client, None
            await _let_go(client, WITHIN_S)


async def _let_go(client: Any, within_s: float) -> None:
    """Close *client*; cut it off where it keeps records that it cannot send: else each failure leaves one trying on."""
    with suppress(Exception):
        async with asyncio.timeout(within_s):
            await client.stop()
            return
    with suppress(Exception):
        async with asyncio.timeout(within_s):
            client._message_accumulator.fail_all(KafkaTimeoutError())
            await client.client.close()
            await client._sender.close()
