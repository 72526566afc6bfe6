"""The coupling worker stopped before any of its writes: what comes out is what the log gives, each once."""

import asyncio
import json
import random
from dataclasses import replace

import pytest

from processors.city import City
from processors.core.coupling.events import rules_version
from processors.core.standard import Standard
from processors.coupling_state import CHUNK_BYTES, Saved, entries, newest, risk_key
from processors.coupling_worker import CouplingWorker, MissedError, Record
from processors.ruleset import SHIPPED
from processors.standard_files import load_standard, standard_from_texts
from schemas.kinds import load_kinds
from schemas.levels import Level
from schemas.records import Signal
from schemas.registry import EMPTY, Snapshot
from tests.unit.processors.core.coupling.support import MINUTE, story

STANDARD = load_standard(None, load_kinds())


class KilledError(Exception):
    """The worker is killed here."""


class Topics:
    """The topics in memory; `left` writes until the process is killed."""

    def __init__(self) -> None:
        self.log: list[bytes] = []
        self.zone_risks = []
        self.states: dict[str, bytes] = {}
        self.left = 10**9

    def _write(self) -> None:
        if not self.left:
            raise KilledError
        self.left -= 1

    async def signals(self, signals) -> None:
        for one in signals:
            self._write()
            self.log.append(one.encode())

    async def risks(self, risks) -> int:
        for one in risks:
            self._write()
            self.zone_risks.append(one)
        return len(self.zone_risks) - 1

    async def state(self, records) -> None:
        for key, value in records:
            self._write()
            if value is None:
                self.states.pop(key, None)
            else:
                self.states[key] = value

    def load(self) -> Saved:
        saved = newest(self.states)
        saved.published = {Signal.decode(one).signal_id for one in self.log[saved.offset + 1 :]}
        saved.published |= {risk_key(one) for one in self.zone_risks[saved.risks_from :]}
        return saved


class Known:
    """Versions of the rules in memory; the newest that is loaded may be behind what the log names."""

    def __init__(self, *versions: Standard | None) -> None:
        self.versions = versions or (STANDARD,)
        self.newest = 0

    async def registry(self, version: int) -> Snapshot:
        return EMPTY

    async def standard(self, version: int) -> Standard | None:
        return self.versions[version]

    def newest_rules(self) -> int:
        return self.newest


def worker(topics: Topics, known: Known | None = None) -> CouplingWorker:
    return CouplingWorker(known or Known(), topics, topics.load, checkpoint_s=600)


def given_log() -> list[Signal]:
    rng = random.Random(3)
    log = []
    for number in range(40):
        rule, start = rng.choice(["gas.methane.high", "flood.manhole.level", "gas.pressure.low"]), rng.randrange(60)
        steps = {start: Level(rng.randrange(2, 5)), start + 1 + rng.randrange(30): Level.NONE}
        log += story(rule, f"s{number}", steps, zone=f"c/d/s/m/{rng.choice('gh')}")
    return sorted(log, key=lambda one: one.at)


async def play(topics: Topics, given: list[Signal], known: Known, seed: int = 7) -> None:
    """A worker at a time, each killed somewhere; the given signals come between what it writes itself.

    New versions of the rules are loaded now and then.
    """
    rng = random.Random(seed)
    acknowledged = 0
    feed = list(given)
    while True:
        service, at = worker(topics, known), acknowledged
        topics.left = rng.randrange(1, 25) if feed else 10**9
        try:
            while at < len(topics.log) or feed:
                if feed and rng.random() < 0.7:
                    topics.log.append(feed.pop(0).encode())
                if rng.random() < 0.05:
                    known.newest = min(known.newest + 1, len(known.versions) - 1)
                    await service.look_after()
                if at == len(topics.log):
                    continue

                def acknowledge(upto: int = at + 1) -> None:
                    nonlocal acknowledged
                    acknowledged = max(acknowledged, upto)

                await service.take(Record(at, at * MINUTE // 2, topics.log[at], acknowledge))
                at += 1
                if rng.random() < 0.15:
                    await service.save()
            await service.save()
            return
        except KilledError:
            continue


OTHER = standard_from_texts(
    {
        "zones.yaml": (SHIPPED / "zones.yaml").read_text().replace("blue: 20,", "blue: 35,"),
        "couplings.yaml": (SHIPPED / "couplings.yaml").read_text().replace("within: 30m", "within: 20m"),
    },
    STANDARD, load_kinds(), version=2,
)  # fmt: skip


@pytest.mark.parametrize(("seed", "versions"), [(7, 1), (8, 4), (9, 4), (10, 4)])
def test_killed_before_any_write_it_gives_what_the_log_gives_each_once(seed: int, versions: int) -> None:
    known = Known(*[STANDARD, None, OTHER, replace(STANDARD, rules=replace(STANDARD.rules, version=3))][:versions])
    topics = Topics()
    asyncio.run(play(topics, given_log(), known, seed))
    city, signals, risks, published = City(STANDARD), [], [], []
    for offset, value in enumerate(topics.log):
        one = Signal.decode(value)
        if one.type in ("coupling", "index"):
            published.append(one)
        output = city.take(one, offset * MINUTE // 2, EMPTY, 0, offset, known.versions[rules_version(one)])
        signals += output.signals
        risks += output.risks
    assert {one.type for one in signals} == {"coupling", "index"}
    assert sorted(map(str, published)) == sorted(map(str, signals))
    assert topics.zone_risks == risks
    assert city.standard.version == versions - 1
    if versions > 1:
        assert any("ended" in json.loads(one.evidence) for one in signals)


def test_a_version_that_is_loaded_is_written_into_the_log_once() -> None:
    async def run() -> list[int]:
        topics, known = Topics(), Known(STANDARD, OTHER)
        service = worker(topics, known)
        await service.look_after()
        known.newest = 1
        await service.look_after()  # the partition may be another's
        assert topics.log == []
        service.assigned()
        await service.look_after()
        await service.look_after()
        return [rules_version(Signal.decode(one)) for one in topics.log]

    assert asyncio.run(run()) == [1]


def test_records_that_did_not_come_are_asked_for() -> None:
    async def run() -> None:
        service, (first, second, *_) = worker(Topics()), given_log()
        await service.take(Record(5, 0, first.encode(), lambda: None))
        with pytest.raises(MissedError, match="from offset 6 on"):
            await service.take(Record(8, 0, second.encode(), lambda: None))
        service.expect(7)  # the log begins there by now
        await service.take(Record(8, 0, second.encode(), lambda: None))  # was under way
        await service.take(Record(7, 0, second.encode(), lambda: None))
        await service.take(Record(8, 0, b"no signal", lambda: None))

    asyncio.run(run())


def test_the_newest_complete_state_is_taken() -> None:
    noise = random.Random(1).randbytes(CHUNK_BYTES).hex()  # does not fit into one chunk
    records: dict[str, bytes] = {}
    for number, state in ((1, {"n": 1, "noise": noise}), (2, {"n": 2})):
        chunks, (key, manifest) = entries(9, number, 10 * number, 3, state)
        records |= dict(chunks) | {key: manifest}
    assert len(records) == 5
    assert (newest(records).offset, newest(records).state["n"], newest(records).risks_from) == (20, 2, 3)
    chunks, _ = entries(9, 3, 30, 3, {"n": 3})  # killed before its manifest: it has overwritten a chunk of the first
    assert newest(records | dict(chunks)).offset == 20
    del records["chunk/9/0/0"]
    assert (newest(records).offset, newest(records).state["n"]) == (10, 1)
    assert newest({}).offset == -1
