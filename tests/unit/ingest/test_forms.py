import json

import pytest

from ingest.forms import Form
from ingest.parsed import UnreadableError
from tests.unit.ingest.city import NOW, details, read, reading, reasons, rows

AT = NOW - 1000
ONE = [("GP-1", AT, {"pressure_kpa": 2.5})]


def test_object() -> None:
    parsed, result = read(json.dumps(reading()))
    assert (parsed.form, rows(result), result.faults) == ("object", ONE, [])


def test_object_with_escapes_and_a_byte_order_mark_goes_the_exact_way() -> None:
    assert rows(read(json.dumps(reading()).replace("_", "\\u005f").replace("-", "\\u002d"))[1]) == ONE
    assert rows(read(b"\xef\xbb\xbf" + json.dumps(reading()).encode())[1]) == ONE
    assert rows(read(json.dumps(reading(sensor_id="水-1")))[1]) == [("水-1", AT, {"pressure_kpa": 2.5})]


def test_array_keeps_order_and_knows_each_items_bytes() -> None:
    texts = [json.dumps(reading(observed_at=AT + i)) for i in range(3)]
    parsed, result = read(" [" + " ,\n".join(texts) + "] ")
    assert parsed.form == "array"
    assert [at for _, at, _ in rows(result)] == [AT, AT + 1, AT + 2]
    assert [parsed.original(i).decode() for i in range(3)] == texts


def test_array_original_bytes_on_the_exact_way() -> None:
    texts = [json.dumps(reading()), '{"sensor_id": "GP-1" , "pressure_kpa": NaN, "observed_at": 1}', '"水"', "null"]
    parsed, result = read("[" + " , ".join(texts) + "]")
    assert [parsed.original(i).decode() for i in range(4)] == texts
    assert rows(result) == ONE
    assert reasons(result) == [(1, "bad_time"), (2, "unreadable"), (3, "unreadable")]


def test_unknown_keys_are_ignored_and_noticed() -> None:
    for payload in (reading(fw="1.2", battery={"v": 3.1}), [reading(fw="1.2"), reading()], [reading(fw="1\n2")]):
        parsed, result = read(json.dumps(payload))
        assert parsed.unknown_fields
        assert result.faults == []
    assert not read(json.dumps([reading()]))[0].unknown_fields


def test_a_misspelt_field_is_not_lost_silently() -> None:
    _, result = read(json.dumps(reading(pressure_kpa=..., presure_kpa=2.5)))
    assert reasons(result) == [(0, "missing_field")]
    _, result = read(json.dumps(reading(sensor_id="WN-1", pressure_kpa=..., presure=1)), kind="water_network")
    assert reasons(result) == [(0, "missing_field")]
    assert "none of pressure_kpa, flow_m3h" in details(result)


@pytest.mark.parametrize("twice", ["sensor_id", "observed_at", "pressure_kpa"])
@pytest.mark.parametrize("extra", ["", '"fw":"x",'])
def test_a_key_twice_is_refused_whichever_way_it_is_read(twice: str, extra: str) -> None:
    good = json.dumps(reading())
    bad = "{" + extra + json.dumps({twice: reading()[twice]})[1:-1] + "," + good[1:]
    assert reasons(read(bad)[1]) == [(0, "unreadable")]
    assert reasons(read(f"[{good},{bad}]")[1]) == [(1, "unreadable")]
    _, result = read(f"{good}\n{bad}", form=Form.NDJSON)
    assert reasons(result) == [(1, "unreadable")]
    assert rows(result) == ONE


def test_key_names_as_values_do_no_harm() -> None:
    _, result = read(json.dumps([reading(), reading(sensor_id="pressure_kpa")]))
    assert (rows(result), reasons(result)) == (ONE, [(1, "unknown_sensor")])


def test_run_of_samples() -> None:
    run = {
        "sensor_id": "BS-1",
        "observed_at": AT,
        "sample_rate_hz": 100,
        "strain_ue": [1, 2.5, -3],
        "temperature_c": 20,
    }
    parsed, result = read(json.dumps(run), kind="bridge_strain")
    assert rows(result) == [
        ("BS-1", AT + 10 * i, {"strain_ue": v, "temperature_c": 20.0}) for i, v in enumerate([1, 2.5, -3])
    ]
    exact = {**run, "note": "a\tb", "temperature_c": [20, None, 21]}
    parsed, result = read(json.dumps([exact]), kind="bridge_strain")
    assert [values for _, _, values in rows(result)] == [
        {"strain_ue": 1, "temperature_c": 20},
        {"strain_ue": 2.5},
        {"strain_ue": -3, "temperature_c": 21},
    ]
    assert parsed.unknown_fields


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sample_rate_hz": 0}, "wrong_length"),
        ({"sample_rate_hz": 1001}, "wrong_length"),
        ({"sample_rate_hz": "100"}, "wrong_length"),
        ({"sample_rate_hz": 1e-9}, "wrong_length"),
        ({"sample_rate_hz": None}, "wrong_length"),
        ({"strain_ue": [1], "temperature_c": [1, 2]}, "wrong_length"),
        ({"strain_ue": 1}, "wrong_length"),
        ({"strain_ue": []}, "empty"),
        ({"strain_ue": None}, "missing_field"),
        ({"observed_at": None}, "missing_field"),
        ({"observed_at": "yesterday"}, "bad_time"),
        ({"observed_at": NOW + 61_000}, "in_the_future"),
        ({"sensor_id": 7}, "unknown_sensor"),
        ({"sensor_id": None}, "missing_field"),
        ({"sensor_id": "BS-9"}, "unknown_sensor"),
        ({"sensor_id": "GP-1"}, "wrong_kind"),
    ],
)
def test_bad_run(change: dict[str, object], reason: str) -> None:
    run = {"sensor_id": "BS-1", "observed_at": AT, "sample_rate_hz": 100, "strain_ue": [1, 2], **change}
    _, result = read(json.dumps(run), kind="bridge_strain")
    assert (rows(result), reasons(result)) == ([], [(0, reason)])


def test_bad_samples_cost_only_themselves_and_make_one_fault_a_reason() -> None:
    head = f'{{"sensor_id":"BS-1","observed_at":{AT},'
    payload = head + '"sample_rate_hz":100,"strain_ue":[1,NaN,2,1e9,-1e9,"3",null,1e999]}'
    _, result = read(payload, kind="bridge_strain")
    assert [(at - AT, v["strain_ue"]) for _, at, v in rows(result)] == [(0, 1), (20, 2)]
    counted = {fault.reason.value: fault.readings for fault in result.faults}
    assert counted == {"not_a_number": 2, "missing_field": 1, "out_of_range": 3}


def test_ndjson_lines_stand_alone() -> None:
    lines = [json.dumps(reading()).encode(), b'{"broken', b"", b'{"sensor_id":"GP-\xff"}', b"[]", b' {"odd":1}\r']
    parsed, result = read(b"\n".join(lines), form=Form.NDJSON)
    assert rows(result) == ONE
    assert reasons(result) == [(1, "unreadable"), (2, "unreadable"), (3, "unreadable"), (4, "missing_field")]
    assert [parsed.original(i) for i in range(5)] == [lines[0], lines[1], lines[3], lines[4], b'{"odd":1}']


def test_ndjson_is_an_object_a_line_and_nothing_else() -> None:
    """The fast decoder is more lenient: found by the fuzz."""
    one = json.dumps(reading())
    _, result = read(f"{one}{one}\n{one}", form=Form.NDJSON)
    assert (rows(result), reasons(result)) == (ONE, [(0, "unreadable")])
    spread = json.dumps(reading(fw="x"), indent=1)
    parsed, result = read(f"{spread}\n{one}", form=Form.NDJSON)
    assert rows(result) == ONE
    assert parsed.items == 1 + len(spread.splitlines()) == 1 + len(result.faults)


def test_ndjson_fast() -> None:
    parsed, result = read(b"\n\n".join([json.dumps(reading(fw="x")).encode()] * 3) + b"\n", form=Form.NDJSON)
    assert rows(result) == ONE * 3
    assert parsed.original(2) == json.dumps(reading(fw="x")).encode()


@pytest.mark.parametrize(
    ("payload", "form", "reason", "said"),
    [
        (b"", Form.JSON, "empty", "empty"),
        (b" \n", Form.JSON, "empty", "empty"),
        (b" " * 1000, Form.JSON, "empty", "empty"),
        (b"[]", Form.JSON, "empty", "array is empty"),
        (b"", Form.NDJSON, "empty", "no line"),
        (b"[]", Form.SENML, "empty", "array is empty"),
        (b"{}", Form.SENML, "unreadable", "array of records"),
        (b'{"a":', Form.JSON, "unreadable", "line 1 column"),
        (b'{"a":1}{"a":2}', Form.JSON, "unreadable", "x-ndjson"),
        (b"[{},]", Form.JSON, "unreadable", "not JSON"),
        (b"[{} {}]", Form.JSON, "unreadable", "comma"),
        (b"[{}", Form.JSON, "unreadable", "comma"),
        (b"[{}] x", Form.JSON, "unreadable", "more text"),
        (b'{"a":"\xff"}', Form.JSON, "unreadable", "byte 6 is 0xff"),
        (b"[" * 100_000, Form.JSON, "unreadable", "deeply"),
        (b'{"a":' * 100_000, Form.JSON, "unreadable", "deeply"),
        (b"sensor_id=1", Form.JSON, "unreadable", "not JSON"),
    ],
)
def test_unreadable_as_a_whole(payload: bytes, form: Form, reason: str, said: str) -> None:
    with pytest.raises(UnreadableError, match=said) as caught:
        read(payload, form=form)
    assert caught.value.reason.value == reason


def test_topic_names_the_sensor() -> None:
    for payload in (reading(sensor_id=...), reading(sensor_id=None), reading(), [reading(sensor_id=...), reading()]):
        _, result = read(json.dumps(payload), topic_sensor="GP-1")
        assert {sensor for sensor, _, _ in rows(result)} == {"GP-1"}
        assert result.faults == []
    run = {"observed_at": AT, "sample_rate_hz": 1, "strain_ue": [1]}
    assert rows(read(json.dumps(run), "bridge_strain", topic_sensor="BS-1")[1])[0][0] == "BS-1"
    _, result = read(json.dumps([reading(), reading(sensor_id="GP-2")]), topic_sensor="GP-1")
    assert (rows(result), reasons(result)) == (ONE, [(1, "topic_mismatch")])
    _, result = read(json.dumps({**run, "sensor_id": "BS-2"}), "bridge_strain", topic_sensor="BS-1")
    assert reasons(result) == [(0, "topic_mismatch")]
