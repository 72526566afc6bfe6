"""Couplings: several signals and outside events seen as one hazard.

A pure function of the log of signals (events from outside stand in it as signals of type `event`): no clock, no Kafka.
"""

from processors.core.coupling.coupling import Coupling, CouplingSet
from processors.core.coupling.engine import CouplingEngine
from processors.core.coupling.events import event_signal

__all__ = ["Coupling", "CouplingEngine", "CouplingSet", "event_signal"]
