import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskstream.devices.counts import TransportCounts
from riskstream.devices.player import late_when_sent, moved, parts_of, play_series, sample_rate_hz
from riskstream.devices.recording import Series
from schemas.kinds import load_kinds

KINDS = load_kinds()


def series(times, field="strain_ue", **optional) -> Series:
    times = np.asarray(times, np.int64)
    return Series(times, {field: np.arange(len(times), dtype=np.float64), **optional})


def unpack(part):
    """Times and values that a gateway reads from the part."""
    for item in part.items:
        if "sample_rate_hz" not in item:
            yield item["observed_at"], item["strain_ue"]
            continue
        for i, value in enumerate(item["strain_ue"]):
            yield item["observed_at"] + round(i * 1000 / item["sample_rate_hz"]), value


def test_a_jittering_100_hz_series_is_sent_in_runs_of_exactly_100_hz():
    times = np.round(np.arange(1000) * 9.9998).astype(int) + 7
    assert sample_rate_hz(series(times)) == 100.0
    parts = list(parts_of(series(times), 100))
    assert all(len(part.items) == 1 and part.items[0]["sample_rate_hz"] == 100 for part in parts)
    assert sum(part.readings for part in parts) == 1000
    sent = [reading for part in parts for reading in unpack(part)]
    assert [value for _, value in sent] == list(range(1000))
    assert np.abs(np.array([at for at, _ in sent]) - times).max() <= 5


def test_a_gap_starts_a_new_run():
    times = [*range(0, 500, 10), *range(10_000, 10_500, 10)]
    parts = list(parts_of(series(times), 1000))
    assert [part.readings for part in parts] == [50, 50]
    assert parts[1].items[0]["observed_at"] == 10_000


def test_slow_series_are_readings_and_leave_out_what_is_not_measured():
    slow = series([0, 60_000, 120_000], temperature_c=np.array([1.0, np.nan, 3.0]))
    parts = list(parts_of(slow, 2))
    assert [part.items for part in parts] == [
        [{"observed_at": 0, "strain_ue": 0.0, "temperature_c": 1.0}, {"observed_at": 60_000, "strain_ue": 1.0}],
        [{"observed_at": 120_000, "strain_ue": 2.0, "temperature_c": 3.0}],
    ]


@given(
    st.lists(st.integers(1, 40), min_size=2, max_size=300).map(np.cumsum),
    st.integers(1, 50),
)
def test_no_sample_is_lost_or_moved_by_more_than_half_an_interval(times, longest):
    one = series(times)
    sent = [reading for part in parts_of(one, longest) for reading in unpack(part)]
    assert [value for _, value in sent] == one.values["strain_ue"].tolist()
    rate = sample_rate_hz(one)
    limit = 0 if rate is None else 1000 / rate / 2 + 0.5
    assert np.abs(np.array([at for at, _ in sent]) - one.observed_at).max() <= limit
    assert max(part.readings for part in parts_of(one, longest)) <= longest


@pytest.mark.parametrize(("speed", "first"), [(np.inf, 1_000_000), (1.0, 1_600_000), (2.0, 1_300_000)])
def test_moved_to_now_the_newest_reading_is_sent_at_now(speed, first):
    now = 1_600_000
    shifted = moved(series([0, 300_000, 600_000]), now, speed)
    assert shifted.observed_at[0] == first
    ends_at = now + (0 if np.isinf(speed) else 600_000 / speed)
    assert shifted.observed_at[-1] == ends_at
    assert np.diff(shifted.observed_at).tolist() == [300_000, 300_000]
    if not np.isinf(speed):
        sent_at = now + np.array([0, 300_000, 600_000]) / speed
        assert (shifted.observed_at <= sent_at).all()


def test_late_readings_are_told_before_they_are_sent():
    hours = series(np.arange(5) * 3_600_000)
    strain = KINDS["bridge_strain"]  # max_delay_s 3600
    assert late_when_sent(hours, strain, np.inf) == 3
    assert late_when_sent(hours, strain, 1.0) == 0
    assert late_when_sent(hours, strain, 1.25) == 0
    assert late_when_sent(hours, strain, 2.0) == 2


class Recorder:
    """A transport that keeps what it gets."""

    def __init__(self):
        self.counts = TransportCounts()
        self.got = []
        self.finished = False

    def put(self, kind, sensor_id, items, readings):
        self.counts.sent += readings
        self.counts.acknowledged += readings
        self.got.append((kind, sensor_id, items))

    def flush(self):
        pass

    def finish(self, timeout_s):
        self.finished = True


def test_original_times_are_sent_as_they_are():
    recorder = Recorder()
    counts = play_series(
        series([-5_000, 60_000], "level_m"), KINDS["water_level"], "W", recorder, "http", speed=np.inf, move=False
    )
    assert recorder.got == [
        ("water_level", "W", [{"observed_at": -5000, "level_m": 0.0}, {"observed_at": 60000, "level_m": 1.0}])
    ]
    assert recorder.finished
    assert (counts.sent, counts.unanswered) == (2, 0)


def test_at_speed_n_it_takes_the_span_divided_by_n():
    import time

    recorder, began = Recorder(), time.monotonic()
    play_series(series([0, 10_000, 20_000]), KINDS["bridge_strain"], "B", recorder, "mqtt", speed=100.0)
    assert 0.19 <= time.monotonic() - began < 5
    assert len(recorder.got) == 3
    newest = recorder.got[-1][2][0]["observed_at"]
    assert abs(newest - time.time() * 1000) < 5000
