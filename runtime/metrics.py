"""The metric catalogue: every metric of every service, one line each."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

REGISTRY_VERSION = Gauge("riskstream_registry_version", "Version of the registry in use.")
RULES_VERSION = Gauge("riskstream_rules_version", "Newest version of the rules that is loaded.")
MODES_VERSION = Gauge("riskstream_modes_version", "Newest version of the modes that is loaded.")
VERSIONS_REFUSED = Counter(
    "riskstream_versions_refused_total", "Records of a topic of versions that could not be used.", ["topic"]
)

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
PROCESSOR_CONTROLS = Counter(
    "riskstream_processor_controls_total", "Control records by what they say.", ["kind", "control"]
)
PROCESSOR_RULES = Gauge("riskstream_processor_rules", "Version of the rules in force.", ["kind", "partition"])
PROCESSOR_CHECKPOINT_AGE = Gauge(
    "riskstream_processor_checkpoint_age_seconds", "Time since the last checkpoint.", ["kind", "partition"]
)
PROCESSOR_CHECKPOINT_BYTES = Counter(
    "riskstream_processor_checkpoint_bytes_total", "Bytes of checkpoints that are delivered.", ["kind", "part"]
)
PROCESSOR_RECOVERY_SECONDS = Histogram(
    "riskstream_processor_recovery_seconds", "Time to take a partition over.", ["kind"], buckets=_SECONDS
)

COUPLING_SIGNALS = Counter(
    "riskstream_coupling_signals_total", "Signals of couplings and zones published.", ["rule", "level", "transition"]
)
COUPLING_REJECTED = Counter("riskstream_coupling_rejected_total", "Records that could not be decoded.")
COUPLING_RULES = Gauge("riskstream_coupling_rules", "Version of the rules, couplings and zone standard in force.")
COUPLING_OFFSET = Gauge("riskstream_coupling_offset", "Last offset of signals that is in a saved state.")

LIFECYCLE_EVENTS = Counter("riskstream_lifecycle_events_total", "Alert events published.", ["event", "level"])

INGEST_PAYLOADS = Counter("riskstream_ingest_payloads_total", "Messages and bodies read.", ["source", "form"])
INGEST_ACCEPTED = Counter("riskstream_ingest_accepted_total", "Readings accepted.", ["source", "kind"])
INGEST_LATE = Counter(
    "riskstream_ingest_late_total", "Of the accepted readings, those flagged late.", ["source", "kind"]
)
INGEST_REJECTED = Counter("riskstream_ingest_rejected_total", "Readings rejected.", ["source", "reason"])
INGEST_UNKNOWN_FIELDS = Counter(
    "riskstream_ingest_unknown_fields_total", "Payloads with keys that their kind does not know.", ["source", "kind"]
)
INGEST_REFUSED = Counter("riskstream_ingest_refused_total", "Requests refused as a whole.", ["source", "status"])
INGEST_BATCHES = Counter("riskstream_ingest_batches_total", "Batches given to Kafka.", ["source", "kind"])
INGEST_UNDELIVERED = Counter("riskstream_ingest_undelivered_total", "Records that Kafka did not take.", ["source"])
INGEST_IN_FLIGHT = Gauge("riskstream_ingest_in_flight_bytes", "Bytes received and not yet in Kafka.", ["source"])
INGEST_SECONDS = Histogram(
    "riskstream_ingest_seconds", "Time from receipt to Kafka's acknowledgement.", ["source"], buckets=_SECONDS
)
INGEST_MQTT_SESSIONS = Gauge("riskstream_ingest_mqtt_sessions", "MQTT sessions that are connected.")
INGEST_MQTT_RECONNECTS = Counter("riskstream_ingest_mqtt_reconnects_total", "MQTT sessions begun again.", ["cause"])

SINK_ROWS = Counter("riskstream_sink_rows_total", "Rows stored in ClickHouse.", ["table"])
SINK_INSERT_SECONDS = Histogram(
    "riskstream_sink_insert_seconds", "Time of an insert, with its encoding.", ["table"], buckets=_SECONDS
)
SINK_RETRIES = Counter("riskstream_sink_retries_total", "Inserts that failed and are tried again.", ["table"])
SINK_REJECTED = Counter("riskstream_sink_rejected_total", "Records that could not be decoded, by topic.", ["topic"])
SINK_POSITION = Gauge(
    "riskstream_sink_position", "Offset behind all that is stored, by topic and partition.", ["topic", "partition"]
)
SINK_AWAY = Gauge("riskstream_sink_clickhouse_away", "1 while ClickHouse does not take inserts.")
