"""What rules, couplings and the zone index say about their alerts, in every version that ever was applied."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

from confluent_kafka import KafkaException

from processors.core.alerts import AlertTexts
from processors.standards import Compiler, own_standard
from runtime.settings import Settings
from runtime.version_follower import rules_follower
from schemas.departments import load_departments
from schemas.kinds import Kind
from schemas.records import Signal

log = logging.getLogger(__name__)

_CATCH_UP_S = 10.0


class LiveTexts:
    """Titles, advice and departments of what gave a signal, as they were in the signal's version.

    Raises `RuleError` if the own rules are not good.
    """

    def __init__(self, settings: Settings, kinds: Mapping[str, Kind]) -> None:
        own = own_standard(settings, kinds)
        self._compiler = Compiler(kinds, load_departments(settings.departments_file), settings.timezone, own)
        self._rules = rules_follower(settings)
        self._known: dict[tuple[str, int], AlertTexts] = {}

    def start(self) -> None:
        self._rules.start()

    def stop(self) -> None:
        self._rules.stop()

    def problem(self) -> str | None:
        """Why the versions are not ready, for /readyz; None if they are."""
        return self._rules.problem()

    def of(self, signal: Signal) -> AlertTexts | None:
        """The texts; those of another version if that of the signal was never applied here; None for an unknown rule.

        A signal may come before the version that gave it: then this waits until what stands in the topic now is read.
        Raises `KafkaException` if that cannot be.
        """
        key = (signal.rule_id, signal.rule_version)
        if key not in self._known:
            found = self._exact(key)
            if found is None:
                if not self._rules.catch_up(_CATCH_UP_S):
                    raise KafkaException(f"the versions of the rules were not read within {_CATCH_UP_S:.0f} s")
                found = self._exact(key)
            if found is None:
                log.warning("no version of the rules has %s in version %d", *key)
                others = (texts for one in self._all() for (rule_id, _), texts in one.items() if rule_id == key[0])
                return next(others, None)
            self._known[key] = found
        return self._known[key]

    def _exact(self, key: tuple[str, int]) -> AlertTexts | None:
        return next((texts[key] for texts in self._all() if key in texts), None)

    def _all(self) -> Iterator[Mapping[tuple[str, int], AlertTexts]]:
        """The newest first."""
        for version, record in sorted(self._rules.versions().items(), reverse=True):
            standard = self._compiler.compiled(version, record.files)
            if standard is not None:
                yield standard.texts()
        yield self._compiler.own.texts()
