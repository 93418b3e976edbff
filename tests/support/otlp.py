"""An OTLP/HTTP receiver in this process: collects the spans that services send, for tests to ask about."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class OtlpReceiver:
    """What was received; ``answers`` holds status codes to give first, before 200."""

    endpoint: str = ""
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def spans(self, service: str | None = None) -> list[Span]:
        """Every span, or those of one service."""
        return [span for name, span in self.by_service() if service in (None, name)]

    def by_service(self) -> list[tuple[str, Span]]:
        """(service.name, span) of everything received."""
        found = []
        for request in self.requests:
            for resource in request.resource_spans:
                names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
                found += [(names["service.name"], span) for scope in resource.scope_spans for span in scope.spans]
        return found

    async def until(self, enough: Callable[["OtlpReceiver"], bool], *, within_s: float = 10.0) -> None:
        """Wait until *enough* was received; fails with a TimeoutError after *within_s*."""
        async with asyncio.timeout(within_s):
            while not enough(self):
                self._news.clear()
                await self._news.wait()

    async def _take(self, request: web.Request) -> web.Response:
        if self.answers:
            return web.Response(status=self.answers.pop(0))
        self.requests.append(ExportTraceServiceRequest.FromString(await request.read()))
        self._news.set()
        body = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=body, content_type="application/x-protobuf")

    @asynccontextmanager
    async def running(self) -> AsyncIterator["OtlpReceiver"]:
        """Listen on a free port of loopback."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/traces", self._take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()
