import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.times import LATEST_MS, read_time, read_times

GOOD = [
    ("2026-07-01T12:00:00Z", 1782907200000),
    ("2026-07-01T12:00:00.250Z", 1782907200250),
    ("2026-07-01T12:00:00.2Z", 1782907200200),
    ("2026-07-01T12:00:00.123999Z", 1782907200123),
    ("2026-07-01T20:00:00+08:00", 1782907200000),
    ("2026-07-01T06:30:00.5-05:30", 1782907200500),
    ("2026-07-01t12:00:00z", 1782907200000),
    ("2026-07-01 12:00:00Z", 1782907200000),
    ("2024-02-29T23:59:59.999Z", 1709251199999),
    ("2016-12-31T23:59:60Z", 1483228800000),
    (1782907200250, 1782907200250),
    (1782907200250.0, 1782907200250),
]

BAD = [
    ("2026-07-01T12:00:00", "offset"),
    ("2026-02-30T12:00:00Z", "not a date"),
    ("2026-13-01T12:00:00Z", "not a date"),
    ("2026-07-01T24:00:00Z", "time of day"),
    ("2026-07-01T12:60:00Z", "time of day"),
    ("2026-07-01T12:00:00+24:00", "time of day"),
    ("2026-07-01T12:00:00.Z", "cannot be read"),
    ("٢٠٢٦-07-01T12:00:00Z", "cannot be read"),
    ("1782907200250", "cannot be read"),
    ("", "cannot be read"),
    ("1969-12-31T23:59:59Z", "before 1971"),
    (1782907200, "epoch seconds"),
    (-1, "before 1971"),
    (1782907200250.5, "whole number"),
    (float("inf"), "whole number"),
    (10**30, "after the year 9999"),
    (True, "no time"),
    (None, "no time"),
    ([1], "list"),
]


@pytest.mark.parametrize(("written", "ms"), GOOD)
def test_good_times(written: object, ms: int) -> None:
    assert read_time(written) == ms
    # a column is read by numpy where it can be, and must say the same
    assert read_times([written]) == ([ms], {})
    assert read_times([written] * 3)[0].tolist() == [ms] * 3


@pytest.mark.parametrize(("written", "said"), BAD)
def test_bad_times(written: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_time(written)
    for column in ([written], [written, "2026-07-01T12:00:00Z"], [1782907200250, written]):
        _, wrong = read_times(column)
        assert wrong.keys() == {column.index(written)}
        assert said in wrong[column.index(written)]


def test_a_column_of_many_forms() -> None:
    times, wrong = read_times([written for written, _ in GOOD])
    assert (times.tolist(), wrong) == ([ms for _, ms in GOOD], {})


texts = st.one_of(
    st.datetimes().map(lambda t: t.isoformat() + "Z"),
    st.datetimes().map(lambda t: t.isoformat(timespec="milliseconds") + "+08:00"),
    st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,7})?(Z|[+-][0-9]{2}:[0-9]{2})", fullmatch=True),
    st.text(max_size=30),
)  # fmt: skip
values = st.one_of(
    texts, st.integers(-(10**20), 10**20), st.integers(0, LATEST_MS), st.floats(), st.none(), st.booleans()
)


@given(st.lists(texts, min_size=1) | st.lists(values, min_size=1) | st.lists(st.integers(0, 2 * LATEST_MS), min_size=1))
def test_a_column_says_what_each_of_its_times_says_alone(column: list[object]) -> None:
    times, wrong = read_times(column)
    expected: dict[int, str] = {}
    for row, written in enumerate(column):
        try:
            alone = read_time(written)
        except ValueError as error:
            expected[row] = str(error)
            alone = 0
        assert times[row] == alone
    assert wrong == expected
