-- Control records of the readings topics: with them and the readings a replay goes through the same points of the log.
CREATE TABLE IF NOT EXISTS control_log ${on_cluster}
(
    kind             LowCardinality(String) COMMENT 'Kind of the topic readings.<kind>',
    control          LowCardinality(String) COMMENT 'tick, rules=<version> or mode=<version>',
    registry_version UInt32 COMMENT 'Version of the registry that the record carries' CODEC(ZSTD(1)),
    log_time         DateTime64(3, 'UTC') COMMENT 'Timestamp of the record in the log (LogAppendTime)' CODEC(DoubleDelta, ZSTD(1)),
    log_generation   LowCardinality(String) COMMENT 'Id of the Kafka topic; a topic made anew has another',
    log_partition    UInt32 COMMENT 'Partition in the topic readings.<kind>' CODEC(ZSTD(1)),
    log_offset       UInt64 COMMENT 'Its offset' CODEC(Delta, ZSTD(1)),
    stored_at        DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was stored here; retention of ticks counts from it' CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ${engine MergeTree}
ORDER BY (kind, log_generation, log_partition, log_offset)
SETTINGS ${deduplication}
COMMENT 'Ticks and changes of rules and mode between the readings of a partition';
