"""What the supervisor needs to know of each part it runs."""

from __future__ import annotations

import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping


class Part(ABC):
    """A server or service of the local stack, run as one child process."""

    name: str
    start_timeout_s: float = 90.0
    stop_grace_s: float = 20.0

    @abstractmethod
    def prepare(self) -> None:
        """Write the configuration and storage that the process needs. May block; safe to repeat."""

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments."""

    @abstractmethod
    def address(self) -> str:
        """Where clients reach it, for people to read; empty when it has no listener."""

    @abstractmethod
    def check(self) -> str | None:
        """None when a real request was answered well, else what is wrong. Blocks a few seconds at most."""

    def environment(self) -> Mapping[str, str]:
        """Variables of the process beyond those of the supervisor."""
        return {}

    def offers(self) -> Mapping[str, str]:
        """`RISKSTREAM_…` variables with which clients reach it."""
        return {}

    def request_stop(self, pid: int) -> None:
        """Ask the process to end cleanly. May block a few seconds."""
        os.kill(pid, signal.SIGTERM)
