-- Events from outside, and the risk index of zones. Both topics may hold a record twice (a gateway or the coupling
-- service that tried again): the views show each once, so that no query needs FINAL or DISTINCT.
CREATE TABLE IF NOT EXISTS events_log ${on_cluster}
(
    event_id         String COMMENT 'Id given by the source; sent again, it replaces what it said before',
    type             LowCardinality(String) COMMENT 'rainstorm, bridge-closed, …, as couplings name it',
    level            Enum8('none' = 0, 'blue' = 1, 'yellow' = 2, 'orange' = 3, 'red' = 4) COMMENT 'Level; none if it has none; a higher one is worse and compares as greater',
    zone             LowCardinality(String) COMMENT 'Zone path; empty if a polygon is given',
    polygon          String COMMENT 'WKT polygon in WGS 84; empty if a zone is given' CODEC(ZSTD(3)),
    valid_from       DateTime64(3, 'UTC') COMMENT 'From when it is in force',
    valid_until      DateTime64(3, 'UTC') COMMENT 'Until when',
    source           LowCardinality(String) COMMENT 'Who says so',
    mode             LowCardinality(String) COMMENT 'live or exercise',
    run_id           LowCardinality(String) COMMENT 'Run of an exercise; empty when live',
    received_at      DateTime64(3, 'UTC') COMMENT 'When the gateway received it',
    log_time         DateTime64(3, 'UTC') COMMENT 'Timestamp of the record in the topic events',
    log_generation   LowCardinality(String) COMMENT 'Id of the Kafka topic; a topic made anew has another',
    log_partition    UInt32 COMMENT 'Partition in the topic events',
    log_offset       UInt64 COMMENT 'Offset in the topic events',
    stored_at        DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was stored here'
)
ENGINE = ${engine MergeTree}
PARTITION BY toYYYYMM(received_at)
ORDER BY (event_id, received_at)
SETTINGS ${deduplication}
COMMENT 'Events from outside as they came; query the view events instead';

CREATE OR REPLACE VIEW events ${on_cluster} AS
SELECT
    event_id, newest.1 AS type, newest.2 AS level, newest.3 AS zone, newest.4 AS polygon, newest.5 AS valid_from,
    newest.6 AS valid_until, newest.7 AS source, mode, run_id, newest.8 AS received_at
FROM
(
    SELECT
        event_id, mode, run_id,
        argMax(tuple(
            type, level, zone, polygon, valid_from, valid_until, source, received_at), tuple(log_time, log_offset)) AS newest
    FROM events_log
    GROUP BY event_id, mode, run_id
)
COMMENT 'Events from outside, each once, as it was said last';

CREATE TABLE IF NOT EXISTS zone_risk_log ${on_cluster}
(
    zone             LowCardinality(String) COMMENT 'Zone path: a grid, a street or a district',
    at               DateTime64(3, 'UTC') COMMENT 'Event time of the change' CODEC(DoubleDelta, ZSTD(1)),
    sequence         UInt32 COMMENT '1, 2, … within the zone',
    risk_index       Float64 COMMENT 'Risk from 0 to 100',
    level            Enum8('none' = 0, 'blue' = 1, 'yellow' = 2, 'orange' = 3, 'red' = 4) COMMENT 'Its level, graded with hysteresis; a higher one is worse and compares as greater',
    evidence         String COMMENT 'JSON: open signals by domain and level' CODEC(ZSTD(3)),
    mode             LowCardinality(String) COMMENT 'live or exercise',
    run_id           LowCardinality(String) COMMENT 'Run of an exercise; empty when live',
    log_time         DateTime64(3, 'UTC') COMMENT 'Timestamp of the record in the topic zones.risk',
    log_generation   LowCardinality(String) COMMENT 'Id of the Kafka topic; a topic made anew has another',
    log_partition    UInt32 COMMENT 'Partition in the topic zones.risk',
    log_offset       UInt64 COMMENT 'Offset in the topic zones.risk',
    stored_at        DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was stored here'
)
ENGINE = ${engine ReplacingMergeTree}
PARTITION BY toYYYYMM(at)
ORDER BY (mode, run_id, zone, at, sequence)
SETTINGS ${deduplication}
COMMENT 'The risk index of zones as it was published; query the view zone_risk instead';

CREATE OR REPLACE VIEW zone_risk ${on_cluster} AS
SELECT * FROM zone_risk_log FINAL
COMMENT 'The risk index of zones whenever it changed, each change once';
