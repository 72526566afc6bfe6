"""The real recordings, from `riskstream send` to signals and rows, through every real part.

They are no part of the repository: RISKSTREAM_RECORDINGS names their folder, beside the checkout by default; without
it these tests skip.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from riskstream.kafka_topics import make_topics, plan
from riskstream.registry_log import Difference, publish
from runtime.settings import Settings
from schemas.departments import load_departments
from schemas.kinds import Kind, load_kinds
from schemas.records import Signal
from schemas.registry import Sensor
from schemas.registry_records import ASSETS_TOPIC, SENSORS_TOPIC
from schemas.topics import load_topics
from sinks.migrate import migrate
from tests.integration.gateways import running, settings_of
from tests.integration.processing import Log
from tests.stack import Space, wait_until

FOLDER = Path(os.environ.get("RISKSTREAM_RECORDINGS") or Path(__file__).parents[3] / "shared" / "data")
pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings in {FOLDER}; RISKSTREAM_RECORDINGS names them"),
    pytest.mark.timeout(300),
]

KIND = {
    "type": "record", "name": "machine_temperature", "namespace": "city.kinds", "doc": "Temperature of a machine.",
    "period_s": 300, "max_delay_s": 40_000_000,
    "fields": [
        {"name": "sensor_id", "type": "string"},
        {"name": "observed_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "temperature_f", "type": "double", "doc": "Temperature.", "unit": "[degF]", "min": -100, "max": 500,
         "resolution": 0.000001},
    ],
}  # fmt: skip
RULES = """
standard: machines
version: 1
rules:
  - id: machine.temperature.low
    title: {en: Machine cools down}
    kind: machine_temperature
    value: mean(temperature_f, 1h)
    below: {yellow: 50, red: 30}
    clear: {above: 60, for: 1h}
    departments: [maintenance]
    source: test
    confidence: low
"""
REST, LOWERED, METHANE, WATER, MACHINE = "REST", "LOWERED", "METHANE", "WATER", "MACHINE"
SENSORS = {
    REST: Sensor(REST, "bridge_strain", "at rest", "c/d", "bridges", attributes={"zero_ue": -143.0}),
    LOWERED: Sensor(LOWERED, "bridge_strain", "lowered", "c/d", "bridges", attributes={"zero_ue": 0.5}),
    METHANE: Sensor(METHANE, "gas_concentration", "release", "c/d", "gas", attributes={"period_s": 3.0}),
    WATER: Sensor(WATER, "water_level", "surface water", "c/d", "flood", profile="river",
                  attributes={"warning_m": 2.0, "guarantee_m": 3.0, "record_m": 4.0}),
    MACHINE: Sensor(MACHINE, "machine_temperature", "machine", "c/d", "maintenance"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class City:
    """Gateway, processor and sink at work, with the new kind and the sensors of the recordings."""

    settings: Settings
    environment: Mapping[str, str]

    def send(self, *arguments: str) -> dict[str, int]:
        """The counts of `riskstream send`, which must have ended well."""
        done = subprocess.run(
            [sys.executable, "-m", "riskstream", "send", "--format", "json", "--via", "http", *arguments],
            env={**os.environ, **self.environment}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        counts: dict[str, int] = json.loads(done.stdout)
        assert counts["sent"] == counts["acknowledged"]
        return counts

    def rows(self, table: str, where: str) -> int:
        return int(self.ask(f"SELECT count() FROM {table} WHERE {where}"))

    def ask(self, sql: str) -> str:
        from clickhouse_driver import Client

        client = Client("127.0.0.1", port=self.settings.clickhouse_port, database=self.settings.clickhouse_database)
        try:
            return str(client.execute(sql)[0][0])
        finally:
            client.disconnect()

    def signals(self, sensor: str) -> list[Signal]:
        found = Log(self.settings, self.environment).signals()
        return [one for one in found if one.sensor_id == sensor and one.rule_id != "any.no-data"]


def prepare(environment: Mapping[str, str]) -> tuple[Settings, dict[str, Kind]]:
    settings = settings_of(environment)
    kinds = load_kinds(*settings.kinds_dirs)
    topics = load_topics(kinds, load_departments())
    make_topics(settings.model_copy(update={"partitions": 1}), plan(settings, list(topics.values())))
    migrate(settings, kinds)
    rows = {SENSORS_TOPIC: Difference(len(SENSORS), 0, 0, dict(SENSORS)), ASSETS_TOPIC: Difference(0, 0, 0, {})}
    publish(settings, lambda _: rows, author="test")
    return settings, kinds


@pytest.fixture
def city(space: Space, tmp_path: Path) -> Iterator[City]:
    from processors.ruleset import files_of

    kinds_dir, rules_dir = tmp_path / "kinds", tmp_path / "rules"
    kinds_dir.mkdir()
    rules_dir.mkdir()
    (kinds_dir / "machine_temperature.avsc").write_text(json.dumps(KIND))
    (rules_dir / "machines.yaml").write_text(RULES)
    for path in files_of(None):
        (rules_dir / path.name).write_text(path.read_text())
    environment = {
        **space.environment, "RISKSTREAM_KINDS_DIRS": str(kinds_dir), "RISKSTREAM_RULES_DIR": str(rules_dir),
    }  # fmt: skip
    settings, _ = prepare(environment)
    with ExitStack() as stack:
        gateway = stack.enter_context(running("http-gateway", environment, tmp_path))
        processor = stack.enter_context(running("processor", environment, tmp_path))
        sink = stack.enter_context(running("sink", environment, tmp_path))
        for service in (gateway, processor, sink):
            service.wait_ready()
        yield City(settings, {**environment, "RISKSTREAM_HTTP_PORT": str(gateway.http_port)})


def test_the_recordings_are_stored_whole_and_judged_rightly(city: City) -> None:
    strain = ("--kind", "bridge_strain", "--speed", "max")
    rest = city.send(
        str(FOLDER / "bridge_strain_reference_100hz.csv.zip"), *strain, "--sensor", REST,
        "--column", r"strain_ue=DMS_CN (um\m)", "--time-format", "%Y-%d-%m %H:%M:%S.%f",
    )  # fmt: skip
    lowered = city.send(
        str(FOLDER / "bridge_strain_lowering_01_100hz.csv.zip"), str(FOLDER / "bridge_strain_lowering_02_100hz.csv.zip"),
        *strain, "--sensor", LOWERED, "--column", "strain_ue=DMS_CN (um/m)", "--time-format", "%Y-%d-%m %H:%M:%S.%f",
    )  # fmt: skip
    methane = city.send(
        str(FOLDER / "methane_release_02_path1.txt"), "--kind", "gas_concentration", "--sensor", METHANE,
        "--skip-lines", "13", "--time-format", "elapsed", "--start-time-regex", r"(\d\d/\d\d/\d{4} .*)",
        "--start-format", "%d/%m/%Y %H:%M:%S.%f", "--field", "methane_lel=CH4vmr_ppmv/500", "--missing", "-65.536",
        "--speed", "max",
    )  # fmt: skip
    water = city.send(
        str(FOLDER / "surface_water_level.csv"), "--kind", "water_level", "--sensor", WATER, "--column", "level_m=River",
        "--original-time",
    )  # fmt: skip
    machine = city.send(
        str(FOLDER / "machine_temperature.csv"), "--kind", "machine_temperature", "--sensor", MACHINE,
        "--column", "temperature_f=value", "--speed", "max",
    )  # fmt: skip
    assert rest["sent"] == 60_000
    expected = {
        ("readings_bridge_strain", f"sensor_id = '{REST}' AND NOT late"): rest["sent"],
        ("readings_bridge_strain", f"sensor_id = '{LOWERED}' AND NOT late"): lowered["sent"],
        ("readings_gas_concentration", f"sensor_id = '{METHANE}' AND NOT late"): methane["sent"],
        ("readings_water_level", f"sensor_id = '{WATER}' AND mode = 'history'"): water["sent"],
        ("readings_machine_temperature", f"sensor_id = '{MACHINE}' AND NOT late"): machine["sent"],
    }
    for (table, where), sent in expected.items():
        wait_until(lambda table=table, where=where, sent=sent: city.rows(table, where) == sent, f"{sent} rows: {where}")  # type: ignore[misc]

    assert city.rows("readings_water_level", "level_m < 0") > 0
    assert city.ask("SELECT toYear(min(observed_at)) FROM readings_water_level") == "1990"
    wait_until(lambda: city.signals(MACHINE), "signals of the new kind")
    (shift,) = wait_until(lambda: city.signals(LOWERED), "a strain shift")
    assert (shift.rule_id, shift.transition, shift.level.word) == ("bridge.strain.shift", "raised", "blue")
    second_file = (
        int(
            city.ask(
                f"SELECT toUnixTimestamp64Milli(max(observed_at)) FROM readings_bridge_strain WHERE sensor_id = '{LOWERED}'"
            )
        )
        - 9 * 60_000
    )
    assert shift.at > second_file
    assert city.signals(REST) == []
    assert city.signals(METHANE) == []
    assert city.signals(WATER) == []
    assert Log(city.settings, city.environment).read("readings.rejected") == []
