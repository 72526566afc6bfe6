-- Lifecycle events of alerts, each with the whole state after it. The view `alert_events` shows each event once;
-- the view `alerts` shows the newest state of each alert and when it reached each status.
CREATE TABLE IF NOT EXISTS alert_events_log ${on_cluster}
(
    alert_id         String COMMENT 'Hash of rule, scope and onset time: same log, same id',
    sequence         UInt32 COMMENT '1, 2, … within the alert',
    event            LowCardinality(String) COMMENT 'What happened: raised, changed, cleared, verifying, dispatched, accepted, disposing, feedback, resolved, closed, cancelled, overdue, linked',
    type             LowCardinality(String) COMMENT 'threshold, coupling, index, no_data',
    level            Enum8('none' = 0, 'blue' = 1, 'yellow' = 2, 'orange' = 3, 'red' = 4) COMMENT 'Level after this event; when cleared, the last; a higher one is worse and compares as greater',
    highest_level    Enum8('none' = 0, 'blue' = 1, 'yellow' = 2, 'orange' = 3, 'red' = 4) COMMENT 'Highest level so far',
    status           LowCardinality(String) COMMENT 'raised, verifying, dispatched, accepted, disposing, resolved, closed, cancelled',
    cleared          Bool COMMENT 'Has the condition ended',
    rule_id          LowCardinality(String) COMMENT 'Rule or coupling',
    rule_version     UInt32 COMMENT 'Version of its standard',
    registry_version UInt32 COMMENT 'Version of the registry',
    kind             LowCardinality(String) COMMENT 'Kind of the sensor; empty for couplings',
    zone             LowCardinality(String) COMMENT 'Zone path: city/district/street/community/grid',
    lead_department  LowCardinality(String) COMMENT 'Department that closes the alert',
    departments      Array(LowCardinality(String)) COMMENT 'All departments that get it',
    owner            String COMMENT 'Who accepted it; empty: nobody yet',
    sensors          Array(String) COMMENT 'Sensors concerned',
    assets           Array(String) COMMENT 'Assets concerned',
    title            Map(LowCardinality(String), String) COMMENT 'Title by language: title[''en'']',
    advice           Map(LowCardinality(String), String) COMMENT 'What to do, by language: advice[''en'']',
    onset_at         DateTime64(3, 'UTC') COMMENT 'Event time at which the condition began to hold',
    raised_at        DateTime64(3, 'UTC') COMMENT 'Event time at which the alert was raised',
    published_at     DateTime64(3, 'UTC') COMMENT 'When this event was published',
    updated_at       DateTime64(3, 'UTC') COMMENT 'Event time of this event',
    due_at           Nullable(DateTime64(3, 'UTC')) COMMENT 'When the next step is due; null: none is',
    overdue          Bool COMMENT 'Is the next step overdue',
    escalated_to     LowCardinality(String) COMMENT 'Zone level it was escalated to; empty: not',
    value            Nullable(Float64) COMMENT 'Value at this event; null if it has none',
    evidence         String COMMENT 'JSON: values, windows, thresholds, contributing signals, affected assets' CODEC(ZSTD(3)),
    mode             LowCardinality(String) COMMENT 'live or exercise',
    part_of          Array(String) COMMENT 'Ids of the coupled alerts that it contributes to',
    signal_sequence  UInt32 COMMENT 'Sequence of the last signal that is in it',
    log_time         DateTime64(3, 'UTC') COMMENT 'Timestamp of the record in the topic alerts',
    log_generation   LowCardinality(String) COMMENT 'Id of the Kafka topic; a topic made anew has another',
    log_partition    UInt32 COMMENT 'Partition in the topic alerts',
    log_offset       UInt64 COMMENT 'Offset in the topic alerts',
    stored_at        DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was stored here'
)
ENGINE = ${engine ReplacingMergeTree}
-- by a time that all events of an alert share, so that one published again meets its double in one partition
PARTITION BY toYYYYMM(raised_at)
ORDER BY (alert_id, sequence)
SETTINGS ${deduplication}
COMMENT 'Lifecycle events of alerts as they were published; query the views alert_events and alerts instead';

CREATE OR REPLACE VIEW alert_events ${on_cluster} AS
SELECT * FROM alert_events_log FINAL
COMMENT 'Lifecycle events of alerts, each once, with the state after it';

-- every aggregate here gives the same for an event that is stored twice
CREATE OR REPLACE VIEW alerts ${on_cluster} AS
SELECT
    alert_id,
    newest.1 AS type, newest.2 AS level, newest.3 AS highest_level, newest.4 AS status, newest.5 AS cleared,
    newest.6 AS rule_id, newest.7 AS rule_version, newest.8 AS registry_version, newest.9 AS kind, newest.10 AS zone,
    newest.11 AS lead_department, newest.12 AS departments, newest.13 AS owner, newest.14 AS sensors,
    newest.15 AS assets, newest.16 AS title, newest.17 AS advice, newest.18 AS onset_at, newest.19 AS raised_at,
    newest.20 AS due_at, newest.21 AS overdue, newest.22 AS escalated_to, newest.23 AS value,
    newest.24 AS evidence, newest.25 AS mode, newest.26 AS updated_at,
    newest.27 AS part_of,
    last_sequence AS sequence, first_published_at, last_published_at,
    cleared_at, accepted_at, first_feedback_at, resolved_at, closed_at
FROM
(
    SELECT
        alert_id,
        argMax(tuple(
            type, level, highest_level, status, cleared, rule_id, rule_version, registry_version, kind, zone,
            lead_department, departments, owner, sensors, assets, title, advice, onset_at, raised_at,
            due_at, overdue, escalated_to, value, evidence, mode, updated_at, part_of), alert_events_log.sequence) AS newest,
        max(alert_events_log.sequence) AS last_sequence,
        min(published_at) AS first_published_at,
        max(published_at) AS last_published_at,
        -- an alert that held again after it had cleared counts its last clearing
        if(argMax(alert_events_log.cleared, alert_events_log.sequence), maxOrNullIf(alert_events_log.updated_at, event = 'cleared'), NULL) AS cleared_at,
        minOrNullIf(alert_events_log.updated_at, event = 'accepted') AS accepted_at,
        minOrNullIf(alert_events_log.updated_at, event = 'feedback') AS first_feedback_at,
        minOrNullIf(alert_events_log.updated_at, event = 'resolved') AS resolved_at,
        minOrNullIf(alert_events_log.updated_at, event = 'closed') AS closed_at
    FROM alert_events_log
    GROUP BY alert_id
)
COMMENT 'Alerts: the newest state of each, with the time of each step';
