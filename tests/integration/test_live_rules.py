"""Standards changed while readings come in: one point of each partition's log, nothing lost, nothing doubled."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from processors.ruleset import SHIPPED, load_rules, rules_from_texts
from riskstream.mode import mode
from riskstream.rules import rules
from runtime.kafka import producer_config, topic_name
from schemas.records import Alert
from schemas.registry import Snapshot
from schemas.rule_versions import MODES_TOPIC, RULES_TOPIC, Modes, RuleFiles
from tests.integration.docs_examples import examples, run_example
from tests.integration.gateways import running
from tests.integration.processing import (
    KINDS,
    PARTITIONS,
    SENSORS,
    Log,
    assert_exactly,
    batches,
    expected_signals,
    falling_and_rising,
    ids,
    prepare,
)
from tests.stack import Space, wait_until

pytestmark = pytest.mark.stack

FIRST = {1: Snapshot(1, SENSORS, {})}
PROCESSOR = "processor --kinds gas_pressure"


def run(log: Log, *arguments: str) -> Result:
    return CliRunner().invoke(mode if arguments[0] in ("set", "end", "list") else rules, arguments, env=log.environment)


def own_rules(folder: Path, version: int, blue: str = "1.8", title: str = "Low gas pressure") -> Path:
    """A folder with the shipped gas rules, other thresholds and titles, and no stories."""
    folder.mkdir(exist_ok=True)
    text = (SHIPPED / "gas.yaml").read_text(encoding="utf-8")
    text = text.replace("version: 1", f"version: {version}", 1).replace("blue: 1.8,", f"blue: {blue},")
    (folder / "gas.yaml").write_text(text.replace("en: Low gas pressure", f"en: {title}"), encoding="utf-8")
    return folder


@contextmanager
def load(log: Log, seed: int) -> Iterator[Callable[[], None]]:
    """Sends step after step of all sensors from another thread; what it gives ends that."""
    values = falling_and_rising(seed, 5000)
    stop = threading.Event()

    def send() -> None:
        for step in range(5000):
            if stop.is_set():
                return
            log.send(batches(values, step, step + 1))
            stop.wait(0.02)

    thread = threading.Thread(target=send)

    def end() -> None:
        stop.set()
        thread.join()

    thread.start()
    try:
        yield end
    finally:
        end()


def applied(log: Log) -> dict[int, RuleFiles]:
    records = (RuleFiles.decode(one.value) for one in log.read(RULES_TOPIC))
    return {one.version: one for one in records}


def test_rules_change_under_load_at_one_point_of_each_partition(space: Space, tmp_path: Path) -> None:
    log = prepare(space)
    reader = Log(log.settings, log.environment)
    with running("lifecycle", log.environment, tmp_path), load(log, seed=7) as end_load:
        with running(PROCESSOR, log.environment, tmp_path) as processor:
            wait_until(lambda: len(reader.signals()) > 5, "signals by version 0")
            folder = own_rules(tmp_path / "rules", 2, blue="1.9", title="Pressure below 1.9")
            done = run(log, "apply", str(folder), "--reason", "earlier warning", "--author", "li")
            assert done.exit_code == 0, done.output
            assert "below.blue: 1.8 → 1.9" in done.output
            assert done.stdout.endswith("applied as version 1\n")
            wait_until(lambda: reader.controls().count("rules=1") == PARTITIONS, "both partitions switch")
            wait_until(lambda: any(one.rule_version == 2 for one in reader.signals()), "signals by version 1")
            processor.stop(signal.SIGKILL)
        with running(PROCESSOR, log.environment, tmp_path) as processor:
            done = run(log, "rollback", "0", "--reason", "too many")
            assert done.stdout.endswith("version 0 is applied as version 2\n"), done.output
            wait_until(lambda: reader.controls().count("rules=2") >= PARTITIONS, "both partitions switch back")
            behind = len(reader.signals()) + 5
            wait_until(lambda: len(reader.signals()) > behind, "signals by version 2")
            end_load()
            versions = {number: one.files for number, one in applied(reader).items()}
            sets = {number: rules_from_texts(files, KINDS, None, number) for number, files in versions.items()}
            expected = expected_signals(reader, FIRST, sets)
            wait_until(lambda: ids(reader.signals()) >= expected.keys(), "all signals", 60)
            assert processor.stop() == 0
        assert_exactly(reader.signals(), expected)

        def events() -> list[Alert]:
            return [Alert.decode(one.value) for one in reader.read("alerts")]

        wait_until(lambda: len(events()) >= len(expected), "an event for each signal")
    # the old version until the switch, the new one behind it
    place = {
        (one.partition, one.control): one.offset for one in reversed(reader.readings()) if one.control
    }  # the first of each
    for one in expected.values():
        first, second = place[one.log_partition, "rules=1"], place[one.log_partition, "rules=2"]
        assert one.rule_version == (2 if first < one.log_offset <= second else 1)
    titles = {(one.rule_version, one.title["en"]) for one in events() if one.rule_id == "gas.pressure.low"}
    assert titles == {(1, "Low gas pressure"), (2, "Pressure below 1.9")}


def test_a_bad_set_replaces_nothing(space: Space, tmp_path: Path) -> None:
    log = prepare(space)
    good = own_rules(tmp_path / "good", 2, blue="1.9")
    bad = own_rules(tmp_path / "bad", 3, blue="pressure")
    refused = run(log, "apply", str(bad), "--reason", "mistake")
    assert refused.exit_code == 2
    assert "gas.yaml:" in refused.stderr
    assert "the rules are not applied" in refused.stderr
    same_number = run(log, "apply", str(own_rules(tmp_path / "same", 1, blue="1.9")), "--reason", "forgot the version")
    assert same_number.exit_code == 2
    assert "raise `version` in the file" in same_number.stderr
    stories = (SHIPPED / "gas.test.yaml").read_text(encoding="utf-8")
    told = own_rules(tmp_path / "told", 4, blue="1.9")
    (told / "gas.test.yaml").write_text(stories, encoding="utf-8")
    failing = run(log, "apply", str(told), "--reason", "stories say something else")
    assert failing.exit_code == 1
    assert "stories fail: the rules are not applied" in failing.stderr
    assert applied(log) == {}
    # what is in the topic all the same is passed over by whoever follows it
    producer = Producer(producer_config(log.settings))
    broken = RuleFiles(1, "x", "y", 0, {"gas.yaml": (bad / "gas.yaml").read_text(encoding="utf-8")})
    for value in (b"nonsense", broken.encode()):
        producer.produce(topic_name(log.settings, RULES_TOPIC), value, partition=0)
    assert producer.flush(10) == 0
    values = falling_and_rising(seed=8, steps=120)
    with running(PROCESSOR, log.environment, tmp_path) as processor:
        log.send([record for step in range(60) for record in batches(values, step, step + 1)])
        processor.wait_ready()
        refused_by_processor = processor.metric("riskstream_versions_refused_total")
        assert refused_by_processor == 2
        assert run(log, "apply", str(good), "--reason", "good").stdout.endswith("applied as version 2\n")
        wait_until(lambda: log.controls().count("rules=2") == PARTITIONS, "both partitions switch")
        log.send([record for step in range(60, 120) for record in batches(values, step, step + 1)])
        sets = {2: load_rules([good], KINDS)}
        expected = expected_signals(log, FIRST, {2: sets[2]})
        wait_until(lambda: ids(log.signals()) >= expected.keys(), "all signals", 60)
        assert processor.stop() == 0
    assert "rules=1" not in log.controls()
    assert_exactly(log.signals(), expected)
    assert {one.rule_version for one in expected.values()} == {1, 2}


def test_history_diff_and_unchanged_sets(space: Space, tmp_path: Path) -> None:
    log = prepare(space)
    folder = own_rules(tmp_path / "rules", 2, blue="1.9")
    tried = run(log, "apply", str(folder / "gas.yaml"), "--reason", "x", "--dry-run")
    assert (tried.exit_code, applied(log)) == (0, {})
    assert "removed" not in tried.stdout  # a file leaves the others as they are
    assert run(log, "apply", str(folder / "gas.yaml"), "--reason", "first", "--author", "li").exit_code == 0
    again = run(log, "apply", str(folder / "gas.yaml"), "--reason", "again")
    assert again.stdout.endswith("nothing changed: no new version\n")
    assert run(log, "apply", str(folder), "--reason", "only gas").stdout.count("removed") > 5
    rows = [json.loads(line) for line in run(log, "history", "--format", "json").stdout.splitlines()]
    assert [(row["version"], row["reason"]) for row in rows] == [(2, "only gas"), (1, "first")]
    assert rows[1]["author"] == "li"
    assert rows[1]["changes"] == ["changed gas.pressure.low"]
    assert "below.blue: 1.8 → 1.9" in run(log, "diff", "0", "1").stdout
    assert "+    below: {blue: 1.9" in run(log, "diff", "0", "1", "--text").stdout
    unknown = run(log, "diff", "1", "9")
    assert (unknown.exit_code, unknown.stderr) == (1, "Error: there is no version 9; versions: 0, 1, 2\n")


def test_a_mode_is_set_in_the_log_of_every_partition(space: Space, tmp_path: Path) -> None:
    log = prepare(space)
    with running(PROCESSOR, log.environment, tmp_path) as processor:
        processor.wait_ready()
        done = run(
            log, "set", "emergency", "--zone", "city/north", "--until", "12h", "--reason", "flood", "--author", "li"
        )
        assert done.exit_code == 0, done.output
        wait_until(lambda: log.controls().count("mode=1") == PARTITIONS, "both partitions switch")
        listed = json.loads(run(log, "list", "--format", "json").stdout)
        assert (listed["zone"], listed["mode"], listed["author"], listed["reason"]) == (
            "city/north", "emergency", "li", "flood",
        )  # fmt: skip
        assert run(log, "end", "--zone", "city/south").exit_code == 1
        assert run(log, "end", "--zone", "city/north").exit_code == 0
        wait_until(lambda: log.controls().count("mode=2") == PARTITIONS, "both partitions switch back")
        assert run(log, "list", "--format", "json").stdout == ""
        assert processor.stop() == 0
    versions = [Modes.decode(one.value) for one in log.read(MODES_TOPIC)]
    assert [len(one.zones) for one in versions] == [1, 0]
    with running(PROCESSOR, log.environment, tmp_path) as processor:
        processor.wait_ready()
        wait_until(
            lambda: (tmp_path / "processor.log").read_text().count("modes 2") == PARTITIONS, "recovered with version 2"
        )
        assert processor.stop() == 0


def test_the_commands_of_the_docs_do_what_the_page_says(space: Space, tmp_path: Path) -> None:
    log = prepare(space)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    said = {}
    for block, _ in examples("rules/live.md"):
        said[block] = run_example(f"cd {tmp_path}; set -e\n{block}", {**log.environment, "PATH": path})
    text = "\n".join(said.values())
    assert "nothing was applied\n" in text
    assert "below.blue: 1.8 → 1.75" in text
    assert "dry run: nothing is applied\n" in text
    assert "applied as version 1\n" in text
    assert "version 0 is applied as version 2\n" in text
    assert "version 1: city/north is in emergency until " in text
    assert sorted(applied(log)) == [1, 2]
    assert applied(log)[1].author == "li"
    assert len(log.read(MODES_TOPIC)) == 3
