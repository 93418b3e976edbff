"""Kafka header names: CloudEvents 1.0 in binary mode, W3C trace context, and our own few."""

CE_ID = "ce_id"
CE_SOURCE = "ce_source"
CE_TYPE = "ce_type"
CE_SPECVERSION = "ce_specversion"
CE_TIME = "ce_time"
CE_DATASCHEMA = "ce_dataschema"
CONTENT_TYPE = "content-type"
TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"

VIDARE_TIP = "vidare-tip"
"""Tip id, so that a dead letter can be accounted for without reading its body."""

VIDARE_CAUSE = "vidare-cause"
"""Event id of the custody entry that caused this event (``prev`` of the next entry)."""

VIDARE_ACCEPTED_AT = "vidare-accepted-at"
"""When intake accepted the tip (RFC 3339); ages are measured from it, never from spans."""

VIDARE_VIA = "vidare-via"
"""Which door wrote an inbox record: absent for a Kafka publisher, else ``http``, ``form``, ``cybertip``, ``xarf``."""

DLQ_REASON = "vidare-dlq-reason"
DLQ_TOPIC = "vidare-dlq-topic"
DLQ_PARTITION = "vidare-dlq-partition"
DLQ_OFFSET = "vidare-dlq-offset"
DLQ_SERVICE = "vidare-dlq-service"
DLQ_AT = "vidare-dlq-at"

SPECVERSION = b"1.0"
JSON = b"application/json"
