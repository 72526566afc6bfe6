-- The priority of rules and couplings, in signals and alerts: which of equal level is looked at first.
ALTER TABLE signals_log ${on_cluster}
    ADD COLUMN IF NOT EXISTS priority UInt8 DEFAULT 5 COMMENT 'Which of equal level is looked at first: 1 to 9' AFTER departments;

ALTER TABLE alert_events_log ${on_cluster}
    ADD COLUMN IF NOT EXISTS priority UInt8 DEFAULT 5 COMMENT 'Which of equal level is looked at first: 1 to 9' AFTER signal_sequence;

CREATE OR REPLACE VIEW signals ${on_cluster} AS
SELECT * FROM signals_log FINAL WHERE type NOT IN ('event', 'tick')
COMMENT 'Transitions of rules, couplings and zone indices (raised, changed, cleared, joined), each once';

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
    newest.27 AS part_of, newest.28 AS priority,
    last_sequence AS sequence, first_published_at, last_published_at,
    cleared_at, accepted_at, first_feedback_at, resolved_at, closed_at
FROM
(
    SELECT
        alert_id,
        argMax(tuple(
            type, level, highest_level, status, cleared, rule_id, rule_version, registry_version, kind, zone,
            lead_department, departments, owner, sensors, assets, title, advice, onset_at, raised_at,
            due_at, overdue, escalated_to, value, evidence, mode, updated_at, part_of, priority), alert_events_log.sequence) AS newest,
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
