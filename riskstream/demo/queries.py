"""What the demo asks ClickHouse: its own accounts, and five queries as an analyst would write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.kinds import Kind


@dataclass(frozen=True, slots=True)
class Example:
    """A question and the query that answers it."""

    question: str
    sql: str


EXAMPLES = (
    Example(
        "Which alerts are open, worst first?",
        "SELECT level, title['en'] AS alert, zone, raised_at, value\n"
        "FROM alerts WHERE NOT cleared ORDER BY level DESC, raised_at LIMIT 5",
    ),
    Example(
        "How deep is the water in each underpass now?",
        "SELECT sensor_id, dictGet('sensors', 'name', sensor_id) AS name,\n"
        "       round(100 * argMax(level_m, observed_at), 1) AS depth_cm\n"
        "FROM readings_water_level WHERE dictGet('sensors', 'profile', sensor_id) = 'underpass'\n"
        "GROUP BY sensor_id ORDER BY depth_cm DESC LIMIT 5",
    ),
    Example(
        "Which districts have the lowest gas pressure?",
        "SELECT dictGet('sensors', 'district', sensor_id) AS district, uniq(sensor_id) AS sensors,\n"
        "       round(min(pressure_kpa), 2) AS lowest_kpa, round(median(pressure_kpa), 2) AS median_kpa\n"
        "FROM readings_gas_pressure WHERE dictGet('sensors', 'profile', sensor_id) = 'low-pressure'\n"
        "GROUP BY district ORDER BY lowest_kpa LIMIT 5",
    ),
    Example(
        "How did the strain of each bridge range?",
        "SELECT dictGet('sensors', 'asset_id', sensor_id) AS bridge, count() AS samples,\n"
        "       round(min(strain_ue), 1) AS lowest_ue, round(max(strain_ue), 1) AS highest_ue\n"
        "FROM readings_bridge_strain GROUP BY bridge ORDER BY highest_ue - lowest_ue DESC LIMIT 5",
    ),
    Example(
        "How quickly were readings stored?",
        "SELECT gateway, count() AS readings,\n"
        "       quantile(0.5)(dateDiff('millisecond', received_at, stored_at)) AS p50_ms,\n"
        "       quantile(0.99)(dateDiff('millisecond', received_at, stored_at)) AS p99_ms\n"
        "FROM readings_gas_pressure GROUP BY gateway",
    ),
)


def stored_counts(kinds: Iterable[Kind]) -> str:
    """Rows of every readings table, of the rejected readings apart: (name, rows)."""
    return "\nUNION ALL ".join(f"SELECT '{kind.name}' AS kind, count() AS rows FROM {kind.table}" for kind in kinds)


REJECTED = "SELECT reason, sum(readings) FROM rejected_readings GROUP BY reason ORDER BY reason"

ALERTS = (
    "SELECT level, rule_id, count() AS alerts, countIf(cleared) AS cleared FROM alerts"
    " WHERE first_published_at >= fromUnixTimestamp64Milli({since})"
    " GROUP BY level, rule_id ORDER BY level DESC, rule_id"
)


def latencies(kinds: Mapping[str, Kind], since: int) -> str:
    """Milliseconds from the receipt of a reading to the publication of its alert event: (events, p50, p99)."""
    parts = " UNION ALL ".join(
        f"""
    SELECT dateDiff('millisecond', r.received_at, a.published_at) AS ms
    FROM (
        SELECT log_partition, log_offset, log_index, received_at FROM {kind.table}
        WHERE (log_partition, log_offset, log_index) IN (
            SELECT reading_partition, reading_offset, reading_index FROM signals
            WHERE kind = '{kind.name}' AND published_at >= fromUnixTimestamp64Milli({since}))
    ) AS r
    INNER JOIN (
        SELECT alert_id, sequence, reading_partition, reading_offset, reading_index FROM signals
        WHERE kind = '{kind.name}' AND published_at >= fromUnixTimestamp64Milli({since})
    ) AS s
        ON r.log_partition = s.reading_partition AND r.log_offset = s.reading_offset AND r.log_index = s.reading_index
    INNER JOIN alert_events AS a ON a.alert_id = s.alert_id AND a.sequence = s.sequence"""
        for kind in kinds.values()
    )
    return f"SELECT count(), round(quantile(0.5)(ms)), round(quantile(0.99)(ms)) FROM ({parts}\n)"
