-- What was not taken, with the bytes as they came.
CREATE TABLE IF NOT EXISTS rejected_readings ${on_cluster}
(
    received_at      DateTime64(3, 'UTC') COMMENT 'When it came in' CODEC(DoubleDelta, ZSTD(1)),
    reason           LowCardinality(String) COMMENT 'Why it was rejected: one of the documented reasons',
    detail           String COMMENT 'What was wrong, for people' CODEC(ZSTD(3)),
    kind             LowCardinality(String) COMMENT 'Kind that it was sent as; empty if unknown',
    sensor_id        String COMMENT 'Sensor that it named; empty if none' CODEC(ZSTD(1)),
    source           LowCardinality(String) COMMENT 'The way in: mqtt, http, processor, sink',
    gateway          LowCardinality(String) COMMENT 'Instance that rejected it',
    origin           LowCardinality(String) COMMENT 'MQTT topic, HTTP path, or topic/partition/offset',
    client           LowCardinality(String) COMMENT 'API key''s name or MQTT client, where known',
    original         String COMMENT 'The bytes as they came in, up to a documented bound; not always text' CODEC(ZSTD(3)),
    truncated        Bool COMMENT 'Is original cut at the bound',
    mode             LowCardinality(String) COMMENT 'live, history or exercise',
    run_id           LowCardinality(String) COMMENT 'Run it belongs to; empty: none',
    attempts         UInt16 COMMENT 'How often it was tried',
    readings         UInt32 COMMENT 'How many readings it stands for: a run of samples is one record',
    log_time         DateTime64(3, 'UTC') COMMENT 'Timestamp of the record in the topic readings.rejected' CODEC(DoubleDelta, ZSTD(1)),
    log_generation   LowCardinality(String) COMMENT 'Id of the Kafka topic; a topic made anew has another',
    log_partition    UInt32 COMMENT 'Partition in the topic readings.rejected',
    log_offset       UInt64 COMMENT 'Offset in the topic readings.rejected' CODEC(Delta, ZSTD(1)),
    stored_at        DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was stored here; retention counts from it' CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ${engine MergeTree}
PARTITION BY toYYYYMM(received_at)
ORDER BY (reason, received_at)
SETTINGS ${deduplication}
COMMENT 'Readings that were not taken, with the reason and the original bytes';
