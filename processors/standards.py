"""What readings are judged by, in versions: the registry, the rules and the modes of zones, as they come.

A record of the log names versions; whoever reads it waits here until those are loaded, so that the same record is the
same point of change everywhere. Newer versions than the log names yet are loaded ahead; the owner of a partition then
writes them into its log.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Protocol, TypeVar

from processors.core.rules import RuleSet
from processors.core.standard import Standard
from processors.ruleset import RuleError
from processors.standard_files import load_standard, standard_from_texts
from runtime import metrics
from runtime.registry_follower import RegistryFollower
from runtime.settings import Settings
from runtime.version_follower import modes_follower, rules_follower
from schemas.departments import load_departments
from schemas.kinds import Kind
from schemas.registry import Snapshot
from schemas.rule_versions import NO_MODES, Modes

log = logging.getLogger(__name__)

T = TypeVar("T")

_POLL_S = 0.05
_SAY_S = 10.0


class Standards(Protocol):
    """Versions by number; each call waits, without end, until the version has come."""

    async def registry(self, version: int) -> Snapshot: ...

    async def rules(self, version: int) -> RuleSet | None:
        """None if this version cannot be compiled: whatever was in force stays."""

    async def modes(self, version: int) -> Modes: ...

    def newest_registry(self) -> int:
        """The newest version that is loaded; the same for rules and modes."""

    def newest_rules(self) -> int: ...
    def newest_modes(self) -> int: ...


def own_standard(settings: Settings, kinds: Mapping[str, Kind]) -> Standard:
    """Version 0: the folder of `RISKSTREAM_RULES_DIR`, or what the software comes with. Raises `RuleError`."""
    departments = load_departments(settings.departments_file)
    folders = [settings.rules_dir] if settings.rules_dir else None
    return load_standard(folders, kinds, departments, timezone=settings.timezone)


class LiveStandards:
    """The versions as their topics have them."""

    def __init__(self, settings: Settings, kinds: Mapping[str, Kind], own: Standard) -> None:
        self._registry = RegistryFollower(settings)
        self._rules = rules_follower(settings, self._load_newest)
        self._modes = modes_follower(settings, lambda: metrics.MODES_VERSION.set(self.newest_modes()))
        self._compiler = Compiler(kinds, load_departments(settings.departments_file), settings.timezone, own)
        self._newest_rules = 0

    def start(self) -> None:
        for part in (self._registry, self._rules, self._modes):
            part.start()

    def stop(self) -> None:
        for part in (self._registry, self._rules, self._modes):
            part.stop()

    def problem(self) -> str | None:
        """What is not read yet, for /readyz; None if all is."""
        return self._registry.problem() or self._rules.problem() or self._modes.problem()

    def newest_registry(self) -> int:
        return self._registry.snapshot().version

    def newest_rules(self) -> int:
        return self._newest_rules

    def newest_modes(self) -> int:
        return max(self._modes.versions(), default=NO_MODES.version)

    async def registry(self, version: int) -> Snapshot:
        await _wait(lambda: self._registry.reached() >= version or None, f"registry version {version}")
        return await asyncio.to_thread(self._registry.at, version)

    async def rules(self, version: int) -> RuleSet | None:
        found = await self.standard(version)
        return found.rules if found else None

    async def standard(self, version: int) -> Standard | None:
        """Rules, couplings and zone standard of a version; None if one of them cannot be compiled."""
        if version == 0:
            return self._compiler.own
        found = await _wait(lambda: self._rules.find(version), f"version {version} of the rules")
        return await asyncio.to_thread(self._compiler.compiled, version, found.files)

    async def modes(self, version: int) -> Modes:
        if version == NO_MODES.version:
            return NO_MODES
        return await _wait(lambda: self._modes.find(version), f"version {version} of the modes")

    def _load_newest(self) -> None:
        for version, record in sorted(self._rules.versions().items(), reverse=True):
            if version <= self._newest_rules:
                break
            if self._compiler.compiled(version, record.files) is not None:
                self._newest_rules = version
                metrics.RULES_VERSION.set(version)
                log.info("version %d of the rules is loaded (%s: %s)", version, record.author, record.reason)
                break


class Compiler:
    """Compiles each version once; safe to call from several threads."""

    def __init__(self, kinds: Mapping[str, Kind], departments: Collection[str], timezone: str, own: Standard) -> None:
        self.own = own
        self._timezone = timezone
        self._kinds = kinds
        self._departments = departments
        self._compiled: dict[int, Standard | None] = {}
        self._lock = threading.Lock()

    def compiled(self, version: int, files: Mapping[str, str]) -> Standard | None:
        """The standard of a version; None, said and counted once, if any part of it cannot be compiled."""
        with self._lock:
            if version not in self._compiled:
                try:
                    self._compiled[version] = standard_from_texts(
                        files, self.own, self._kinds, self._departments, version, timezone=self._timezone
                    )
                except RuleError as error:
                    metrics.VERSIONS_REFUSED.labels("registry.rules").inc()
                    log.error("version %d of the rules cannot be used; the one in force stays:\n%s", version, error)
                    self._compiled[version] = None
            return self._compiled[version]


async def _wait(find: Callable[[], T | None], what: str) -> T:
    said = time.monotonic()
    while (found := find()) is None:
        if time.monotonic() - said > _SAY_S:
            said = time.monotonic()
            log.warning("waiting for %s, which the log names", what)
        await asyncio.sleep(_POLL_S)
    return found
