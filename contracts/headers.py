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

VIDARE_FEED_NUMBER = "vidare-feed-number"
"""Number of a document in its agency's feed, on topic records and webhooks: a sealed document can be followed too."""

VIDARE_FEED_PREVIOUS = "vidare-feed-previous"
"""``sha-256:`` and hex of the bytes of the document before it, as they were sent; absent on the first."""

VIDARE_FEED_EXPECTED = "vidare-feed-expected"
"""In an agency's answer, where it likes: the first feed number that it does not have."""

VIDARE_FEED_BROKEN = "vidare-feed-broken"
"""In an agency's answer, where it likes: the number of a document that does not follow from the one before it."""

DLQ_REASON = "vidare-dlq-reason"
DLQ_TOPIC = "vidare-dlq-topic"
DLQ_PARTITION = "vidare-dlq-partition"
DLQ_OFFSET = "vidare-dlq-offset"
DLQ_SERVICE = "vidare-dlq-service"
DLQ_AT = "vidare-dlq-at"

SPECVERSION = b"1.0"
JSON = b"application/json"
JOSE = b"application/jose"
"""Of a document that is sealed to its receiver's key (JWE, compact)."""
