"""The coupling worker stopped before any of its writes: what comes out is what the log gives, each once."""

import asyncio
import random

import pytest

from processors.city import City
from processors.coupling_state import CHUNK_BYTES, Saved, entries, newest, risk_key
from processors.coupling_worker import CouplingWorker, MissedError, Record
from processors.couplings import load_couplings
from processors.ruleset import load_rules
from processors.zones import load_zones
from schemas.kinds import load_kinds
from schemas.levels import Level
from schemas.records import Signal
from schemas.registry import EMPTY
from tests.unit.processors.core.coupling.support import MINUTE, story

COUPLINGS = load_couplings(None, load_rules(None, load_kinds()))
ZONES = load_zones(None)


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


def worker(topics: Topics) -> CouplingWorker:
    return CouplingWorker(lambda: City(COUPLINGS, ZONES), topics, topics.load, lambda version: EMPTY, checkpoint_s=600)


def given_log() -> list[Signal]:
    rng = random.Random(3)
    log = []
    for number in range(40):
        rule, start = rng.choice(["gas.methane.high", "flood.manhole.level", "gas.pressure.low"]), rng.randrange(60)
        steps = {start: Level(rng.randrange(2, 5)), start + 1 + rng.randrange(30): Level.NONE}
        log += story(rule, f"s{number}", steps, zone=f"c/d/s/m/{rng.choice('gh')}")
    return sorted(log, key=lambda one: one.at)


async def play(topics: Topics, given: list[Signal]) -> None:
    """A worker at a time, each killed somewhere; the given signals come between what it writes itself."""
    rng = random.Random(7)
    acknowledged = 0
    feed = list(given)
    while True:
        service, at = worker(topics), acknowledged
        topics.left = rng.randrange(1, 25) if feed else 10**9
        try:
            while at < len(topics.log) or feed:
                if feed and rng.random() < 0.7:
                    topics.log.append(feed.pop(0).encode())
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


def test_killed_before_any_write_it_gives_what_the_log_gives_each_once() -> None:
    topics = Topics()
    asyncio.run(play(topics, given_log()))
    city, signals, risks, published = City(COUPLINGS, ZONES), [], [], []
    for offset, value in enumerate(topics.log):
        one = Signal.decode(value)
        if one.type in ("coupling", "index"):
            published.append(one)
        output = city.take(one, offset * MINUTE // 2, EMPTY, 0, offset)
        signals += output.signals
        risks += output.risks
    assert {one.type for one in signals} == {"coupling", "index"}
    assert sorted(map(str, published)) == sorted(map(str, signals))
    assert topics.zone_risks == risks


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
