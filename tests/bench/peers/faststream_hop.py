"""What a Python team would write: FastStream with a pydantic model, at least once, its OpenTelemetry middleware on."""

import asyncio
import os
from typing import Any

import maxminddb
from faststream import FastStream
from faststream.kafka import KafkaBroker
from faststream.kafka.opentelemetry import KafkaTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from pydantic import BaseModel

SOURCE, TARGET = os.environ["IN"], os.environ["OUT"]


class Nowhere(SpanExporter):
    """Takes spans and drops them, so that no network is measured."""

    def export(self, spans: Any) -> SpanExportResult:
        """Say that they were exported."""
        return SpanExportResult.SUCCESS


class Tip(BaseModel):
    """A tip as the peer reads it."""

    tip_id: str
    partner: str
    reference: str
    group_id: str
    facts: dict[str, Any]
    content: dict[str, Any]
    country: str | None = None


provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(Nowhere()))
broker = KafkaBroker(os.environ["KAFKA"], middlewares=[KafkaTelemetryMiddleware(tracer_provider=provider)])
app = FastStream(broker)
geo = maxminddb.open_database(os.environ["MMDB"], maxminddb.MODE_MMAP_EXT)


@broker.subscriber(SOURCE, group_id=f"fs-{TARGET}", auto_offset_reset="earliest")
@broker.publisher(TARGET)
async def hop(tip: Tip) -> Tip:
    """Add the country."""
    found = geo.get(tip.content["indicators"]["addresses"][0]["ip"])
    tip.country = found
    return tip


asyncio.run(app.run())
