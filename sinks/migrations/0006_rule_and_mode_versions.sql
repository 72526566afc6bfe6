-- Rules and modes as they were applied, every version: control_log says from where on each was in force.
CREATE TABLE IF NOT EXISTS rule_versions_log ${on_cluster}
(
    version        UInt32 COMMENT 'Version of the rules',
    author         String COMMENT 'Who applied them',
    reason         String COMMENT 'Why',
    applied_at     DateTime64(3, 'UTC') COMMENT 'When',
    files          Map(String, String) COMMENT 'The YAML files by name' CODEC(ZSTD(3)),
    log_time       DateTime64(3, 'UTC') COMMENT 'Timestamp of the record in the topic registry.rules',
    log_generation LowCardinality(String) COMMENT 'Id of the Kafka topic; a topic made anew has another',
    log_partition  UInt32 COMMENT 'Partition in the topic registry.rules',
    log_offset     UInt64 COMMENT 'Offset in the topic registry.rules',
    stored_at      DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was stored here'
)
ENGINE = ${engine MergeTree}
ORDER BY (version, log_offset)
SETTINGS ${deduplication}
COMMENT 'Versions of the rules as they were published; query the view rule_versions instead';

-- a record that repeats a version counts nowhere
CREATE OR REPLACE VIEW rule_versions ${on_cluster} AS
SELECT version, earliest.1 AS author, earliest.2 AS reason, earliest.3 AS applied_at, earliest.4 AS files
FROM
(
    SELECT version, argMin(tuple(author, reason, applied_at, files), log_offset) AS earliest
    FROM rule_versions_log
    GROUP BY version
)
COMMENT 'Every version of the rules that was applied';

CREATE TABLE IF NOT EXISTS mode_versions_log ${on_cluster}
(
    version        UInt32 COMMENT 'Version of the modes',
    author         String COMMENT 'Who changed them',
    reason         String COMMENT 'Why',
    applied_at     DateTime64(3, 'UTC') COMMENT 'When',
    zones          Array(String) COMMENT 'Zones that a mode is declared for, each with all below it',
    modes          Array(LowCardinality(String)) COMMENT 'The mode of each: peace or emergency',
    untils         Array(DateTime64(3, 'UTC')) COMMENT 'Log time at which each ends by itself',
    log_time       DateTime64(3, 'UTC') COMMENT 'Timestamp of the record in the topic registry.modes',
    log_generation LowCardinality(String) COMMENT 'Id of the Kafka topic; a topic made anew has another',
    log_partition  UInt32 COMMENT 'Partition in the topic registry.modes',
    log_offset     UInt64 COMMENT 'Offset in the topic registry.modes',
    stored_at      DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was stored here'
)
ENGINE = ${engine MergeTree}
ORDER BY (version, log_offset)
SETTINGS ${deduplication}
COMMENT 'Versions of the modes as they were published; query the view mode_versions instead';

CREATE OR REPLACE VIEW mode_versions ${on_cluster} AS
SELECT
    version, earliest.1 AS author, earliest.2 AS reason, earliest.3 AS applied_at,
    earliest.4 AS zones, earliest.5 AS modes, earliest.6 AS untils
FROM
(
    SELECT version, argMin(tuple(author, reason, applied_at, zones, modes, untils), log_offset) AS earliest
    FROM mode_versions_log
    GROUP BY version
)
COMMENT 'Every version of the modes that was declared';
