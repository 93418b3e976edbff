"""Shared machinery of the services; the only code that knows Kafka and OpenTelemetry."""
