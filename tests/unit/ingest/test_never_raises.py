"""Whatever bytes come in: nothing is raised but UnreadableError, and every item is accepted or rejected exactly once."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ingest.forms import Form
from ingest.gather import Gather
from ingest.http_answers import encode
from ingest.parsed import UnreadableError
from ingest.rejects import Envelope, rejected_records
from schemas.batch import Mode
from schemas.records import Rejected
from tests.unit.ingest.city import KINDS, KNOWN, LAYOUTS, NOW, read, rows

ENVELOPE = Envelope("http", "g", "/v1/readings/x", "c", "gas_pressure", Mode.LIVE, "", NOW)

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(NOW - 10**7, NOW + 10**5), st.floats(),
    st.floats(-200, 30000), st.text(max_size=8), st.sampled_from(["GP-1", "GP-2", "WN-1", "BS-1", "2026-05-28T20:00:00Z"]),
)  # fmt: skip
keys = st.sampled_from(
    ["sensor_id", "observed_at", "pressure_kpa", "flow_m3h", "strain_ue", "temperature_c", "sample_rate_hz", "n", "bn", "v", "t", "bt", "u"]
) | st.text(max_size=4)  # fmt: skip
good = st.fixed_dictionaries(
    {"sensor_id": st.sampled_from(["GP-1", "BS-1"]), "observed_at": st.integers(NOW - 10**7, NOW)},
    optional={"pressure_kpa": scalars, "strain_ue": scalars | st.lists(scalars, max_size=5), "sample_rate_hz": scalars},
)
things = good | st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6), max_leaves=12
)
text = st.one_of(things, st.lists(things, max_size=5)).map(json.dumps)
duplicated = text.map(lambda t: t.replace("{", '{"sensor_id": "GP-1", ', 1))
lines = st.lists(text, max_size=4).map("\n".join)
payloads = st.one_of(
    text.map(str.encode), duplicated.map(str.encode), lines.map(str.encode), st.binary(max_size=40),
    st.tuples(text, st.integers(0, 200)).map(lambda p: p[0].encode()[: p[1]]),
    st.tuples(text, st.integers(0, 200), st.binary(min_size=1, max_size=2)).map(
        lambda p: p[0].encode()[: p[1]] + p[2] + p[0].encode()[p[1] :]
    ),
)  # fmt: skip
kinds = st.sampled_from(["gas_pressure", "bridge_strain", "water_network"])


@given(payloads, kinds, st.sampled_from(list(Form)), st.sampled_from(["", "GP-1", "BS-1"]))
def test_every_item_is_accepted_or_rejected_exactly_once(payload: bytes, kind: str, form: Form, topic: str) -> None:
    try:
        parsed, result = read(payload, kind, form, topic)
    except UnreadableError:
        return
    accepted = Counter(result.accepted.items.tolist())
    faulty = Counter({fault.item: 0 for fault in result.faults})
    for fault in result.faults:
        faulty[fault.item] += fault.readings
        assert fault.detail
    assert set(accepted) | set(faulty) == set(range(parsed.items))
    if parsed.form not in ("samples",) and b"sample_rate_hz" not in payload:
        assert all((accepted | faulty)[item] == accepted[item] + faulty[item] == 1 for item in range(parsed.items))
    assert len(rows(result)) == sum(accepted.values())
    for values in result.accepted.values.values():
        assert not ((values > 1e7) | (values < -1e7)).any()
    for record in rejected_records(result.faults, parsed.original, payload, ENVELOPE):
        assert Rejected.decode(record.encode()) == record
        assert record.original in payload
    encode([[fault.sensor_id, fault.detail] for fault in result.faults])


@given(
    st.lists(st.tuples(st.sampled_from(["GP-1", "BS-1"]), payloads | payloads.map(gzip.compress)), max_size=6), kinds
)
def test_messages_together_give_what_each_gives_alone(messages: list[tuple[str, bytes]], kind: str) -> None:
    def gathered(chunk: list[tuple[str, bytes]], first: int) -> tuple[list[Any], list[Any]]:
        gather = Gather(LAYOUTS[kind], 100_000)
        for number, (sensor, payload) in enumerate(chunk, first):
            gather.add(number, sensor, payload, NOW)
        accepted = gather.finish(KNOWN[kind], NOW)
        names = [field.name for field in KINDS[kind].fields]
        good = [
            (accepted.known.ids[r], int(t), bool(late), [repr(float(accepted.values[name][i])) for name in names])
            for i, (r, t, late) in enumerate(zip(accepted.rows, accepted.observed_at, accepted.late, strict=True))
        ]
        bad = [(number, f.item, f.sensor_id, f.reason, f.detail, f.readings) for number, _, f in gather.faulty]
        return good, sorted(bad)

    together = gathered(messages, 0)
    alone = [gathered([message], number) for number, message in enumerate(messages)]
    assert together == ([g for good, _ in alone for g in good], sorted(b for _, bad in alone for b in bad))
