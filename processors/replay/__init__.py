"""Replay: the same engine over a log that is read from files or from ClickHouse. No Kafka, no clock."""
