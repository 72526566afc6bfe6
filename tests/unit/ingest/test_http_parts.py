"""The small parts of the HTTP gateway: headers, shares."""

import pytest

from ingest.forms import Form
from ingest.http_answers import Refused
from ingest.http_request import read_head
from ingest.http_shares import Shares
from ingest.parsed import NO_ITEM, Fault
from ingest.rejects import MAX_DETAIL, MAX_ORIGINAL_BYTES, Envelope, rejected_records
from schemas.batch import Mode
from schemas.reasons import Reason


def test_headers() -> None:
    head = read_head(
        [
            (b"content-type", b'Application/X-NDJSON; charset="UTF-8"'),
            (b"content-encoding", b"gzip"),
            (b"content-length", b"17"),
            (b"authorization", b"bearer rs_x"),
            (b"riskstream-mode", b"Exercise"),
            (b"riskstream-run-id", b"drill:2026-1"),
        ]
    )
    assert (head.form, head.gzipped, head.length, head.token) == (Form.NDJSON, True, 17, "rs_x")
    assert (head.mode, head.run_id) == (Mode.EXERCISE, "drill:2026-1")
    plain = read_head([])
    assert (plain.form, plain.gzipped, plain.mode, plain.length) == (Form.JSON, False, Mode.LIVE, None)


def test_where_nobody_needs_a_key_authorization_is_not_looked_at() -> None:
    assert read_head([(b"authorization", b"Bearer ")], keys=False).token is None


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        (b"content-type", b"application/x-www-form-urlencoded", 415),
        (b"content-type", b"application/json; charset=gbk", 415),
        (b"content-encoding", b"gzip, gzip", 415),
        (b"authorization", b"Basic abc", 401),
        (b"authorization", b"Bearer ", 401),
        (b"riskstream-mode", b"test", 400),
        (b"riskstream-run-id", b"x" * 101, 400),
    ],
)
def test_wrong_headers(name: bytes, value: bytes, status: int) -> None:
    with pytest.raises(Refused) as caught:
        read_head([(name, value)])
    assert caught.value.status == status
    assert caught.value.detail


def test_shares() -> None:
    elsewhere = 0
    shares = Shares(100, 250, lambda: elsewhere)
    shares.take("a", 90)
    with pytest.raises(Refused) as over:
        shares.take("a", 0, expected=11)
    assert (over.value.status, over.value.headers[0][0]) == (429, b"retry-after")
    shares.take("b", 120)  # alone in flight, it may be larger than a share
    with pytest.raises(Refused) as full:
        shares.take("c", 50)
    assert full.value.status == 503
    shares.give_back("b", 120)
    shares.take("c", 50)
    elsewhere = 200
    with pytest.raises(Refused):
        shares.take("d", 1)
    shares.give_back("a", 90)
    shares.give_back("c", 50)
    shares.take("d", 1)


ENVELOPE = Envelope("http", "g", "/p", "client", "rainfall", Mode.HISTORY, "r", 5)


def test_rejects_that_share_bytes_and_reason_share_a_record() -> None:
    pack = b"[...]"
    faults = [Fault(i, f"s{i}", Reason.UNKNOWN_SENSOR, f"s{i} unknown") for i in range(5)]
    faults.append(Fault(5, "s5", Reason.OUT_OF_RANGE, "too high", 3))
    records = list(rejected_records(faults, lambda _: pack, pack, ENVELOPE))
    assert [(r.reason, r.original, r.readings) for r in records] == [
        ("unknown_sensor", pack, 5),
        ("out_of_range", pack, 3),
    ]
    assert "and 4 more readings: s1 unknown" in records[0].detail
    apart = rejected_records(faults, lambda item: b"%d" % item, pack, ENVELOPE)
    assert [r.original for r in apart] == [b"0", b"1", b"2", b"3", b"4", b"5"]


def test_a_reject_is_bounded() -> None:
    raw = b"x" * (MAX_ORIGINAL_BYTES + 1)
    (record,) = rejected_records([Fault(NO_ITEM, "", Reason.UNREADABLE, "y" * 5000)], lambda _: b"", raw, ENVELOPE)
    assert (len(record.original), record.truncated, len(record.detail)) == (MAX_ORIGINAL_BYTES, True, MAX_DETAIL)
    assert (record.mode, record.run_id, record.client) == ("history", "r", "client")
