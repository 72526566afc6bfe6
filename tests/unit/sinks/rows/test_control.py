"""Control records to rows of their own."""

from __future__ import annotations

from schemas.batch import CONTROL_HEADER, empty_batch, encode_batch
from schemas.kinds import load_kinds
from sinks.feeds import feeds
from sinks.rows.control import Control
from sinks.rows.place import Log, Placed

KINDS = load_kinds()
KIND = KINDS["rainfall"]
FEED = feeds(KINDS)[KIND.topic]
EMPTY = encode_batch(KIND, empty_batch(KIND, "p", "processor", 5, registry_version=4))


def test_an_empty_batch_with_the_header_is_a_control_record() -> None:
    control = FEED.decode(EMPTY, [("other", b""), (CONTROL_HEADER, b"rules=7")])
    assert control == Control("rules=7", 4)
    assert FEED.count(control) == 1
    assert FEED.count(FEED.decode(EMPTY, None)) == 0


def test_control_records_and_readings_go_to_their_own_tables() -> None:
    batch = FEED.decode(EMPTY, None)
    tables = FEED.tables(Log("gen", 2), [Placed(Control("tick", 4), 8, 90), Placed(batch, 9, 91)])
    assert [rows.table for rows in tables] == ["readings_rainfall", "control_log"]
    columns = tables[1].columns
    assert list(columns["kind"]) == ["rainfall"]
    assert list(columns["control"]) == ["tick"]
    assert [int(columns[name][0]) for name in ("registry_version", "log_time", "log_partition", "log_offset")] == [
        4, 90, 2, 8,
    ]  # fmt: skip
