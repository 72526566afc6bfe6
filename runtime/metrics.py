"""The metric catalogue: every metric of every service, one line each."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

REGISTRY_VERSION = Gauge("riskstream_registry_version", "Version of the registry in use.")

PROCESSOR_READINGS = Counter(
    "riskstream_processor_readings_total", "Readings by what became of them.", ["kind", "outcome"]
)
PROCESSOR_BATCHES = Counter("riskstream_processor_batches_total", "Batches judged.", ["kind"])
PROCESSOR_SIGNALS = Counter("riskstream_processor_signals_total", "Signals published.", ["rule", "level", "transition"])
PROCESSOR_REJECTED = Counter("riskstream_processor_rejected_total", "Records that could not be decoded.", ["kind"])
PROCESSOR_SECONDS = Histogram(
    "riskstream_processor_batch_seconds", "Time to judge a batch.", ["kind"], buckets=_SECONDS
)
PROCESSOR_OFFSET = Gauge(
    "riskstream_processor_offset", "Last offset whose signals are delivered.", ["kind", "partition"]
)

LIFECYCLE_EVENTS = Counter("riskstream_lifecycle_events_total", "Alert events published.", ["event", "level"])
