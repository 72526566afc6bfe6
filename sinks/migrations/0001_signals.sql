-- Transitions of rules at sensors. A processor that restarts may publish a transition again: the view `signals`
-- shows each once, so that no query needs FINAL or DISTINCT.
CREATE TABLE IF NOT EXISTS signals_log ${on_cluster}
(
    signal_id        String COMMENT 'Hash of rule, sensor and sequence: the same log gives the same id',
    rule_id          LowCardinality(String) COMMENT 'The rule',
    rule_version     UInt32 COMMENT 'Version of the rule''s standard',
    registry_version UInt32 COMMENT 'Version of the registry that it was judged with',
    kind             LowCardinality(String) COMMENT 'Kind of the sensor',
    sensor_id        LowCardinality(String) COMMENT 'The sensor',
    zone             LowCardinality(String) COMMENT 'Zone path of the sensor: city/district/street/community/grid',
    asset_id         LowCardinality(String) COMMENT 'Asset that the sensor watches; empty if none',
    transition       Enum8('raised' = 1, 'changed' = 2, 'cleared' = 3, 'joined' = 4) COMMENT 'What happened; joined: more signals contribute to a coupling',
    level            Enum8('none' = 0, 'blue' = 1, 'yellow' = 2, 'orange' = 3, 'red' = 4) COMMENT 'Level from now on; none when cleared; a higher one is worse and compares as greater',
    previous_level   Enum8('none' = 0, 'blue' = 1, 'yellow' = 2, 'orange' = 3, 'red' = 4) COMMENT 'Level before',
    onset_at         DateTime64(3, 'UTC') COMMENT 'Event time at which the condition began to hold',
    at               DateTime64(3, 'UTC') COMMENT 'Event time of the transition',
    sequence         UInt32 COMMENT '1, 2, … within rule and sensor',
    alert_id         String COMMENT 'Hash of rule, sensor and onset: the alert it belongs to',
    value            Nullable(Float64) COMMENT 'Value of the rule''s expression at the transition; null if it has none',
    evidence         String COMMENT 'JSON: value, unit, thresholds, windows, recent values' CODEC(ZSTD(3)),
    mode             LowCardinality(String) COMMENT 'live or exercise',
    run_id           LowCardinality(String) COMMENT 'Run of an exercise; empty when live',
    type             LowCardinality(String) COMMENT 'threshold, no_data, coupling, index; event: an event from outside; tick: a mark that time has passed',
    sensors          Array(String) COMMENT 'Couplings: sensors of the contributing signals',
    assets           Array(String) COMMENT 'Couplings: assets affected',
    contributing     Array(String) COMMENT 'Couplings: ids of the contributing alerts',
    departments      Array(LowCardinality(String)) COMMENT 'Departments that get it; empty: those of the rule',
    reading_partition UInt32 COMMENT 'Partition of the reading that caused it, in readings.<kind>',
    reading_offset   UInt64 COMMENT 'Offset of its batch',
    reading_index    UInt32 COMMENT 'Its index in the batch',
    published_at     DateTime64(3, 'UTC') COMMENT 'When the processor published it',
    log_time         DateTime64(3, 'UTC') COMMENT 'Timestamp of the record in the topic signals',
    log_generation   LowCardinality(String) COMMENT 'Id of the Kafka topic; a topic made anew has another',
    log_partition    UInt32 COMMENT 'Partition in the topic signals',
    log_offset       UInt64 COMMENT 'Offset in the topic signals',
    stored_at        DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was stored here'
)
ENGINE = ${engine ReplacingMergeTree}
PARTITION BY toYYYYMM(at)
ORDER BY (rule_id, sensor_id, at, signal_id)
SETTINGS ${deduplication}
COMMENT 'Transitions of rules as they were published; query the view signals instead';

CREATE OR REPLACE VIEW signals ${on_cluster} AS
SELECT * FROM signals_log FINAL WHERE type NOT IN ('event', 'tick')
COMMENT 'Transitions of rules, couplings and zone indices (raised, changed, cleared, joined), each once';
