"""MQTT topics of readings: `riskstream/v1/<kind>/<sensor_id>`."""

from __future__ import annotations

FILTER = "riskstream/v1/#"
SHARED_FILTER = f"$share/riskstream/{FILTER}"
_ROOT = ("riskstream", "v1")
_CACHED = 1 << 16


class TopicError(ValueError):
    """The topic is not one of readings; the message says what is allowed."""


def read_topic(topic: str) -> tuple[str, str]:
    """Kind and sensor id. Raises TopicError."""
    parts = topic.split("/")
    if len(parts) != 4 or (parts[0], parts[1]) != _ROOT or not parts[2] or not parts[3]:
        raise TopicError(f"the topic is {topic[:200]!r}; allowed: riskstream/v1/<kind>/<sensor_id>")
    return parts[2], parts[3]


class TopicCache:
    """The topics that were read before; bounded, since anyone may invent topics."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str]] = {}

    def read(self, topic: str) -> tuple[str, str]:
        """As `read_topic`."""
        found = self._known.get(topic)
        if found is None:
            found = read_topic(topic)
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[topic] = found
        return found
