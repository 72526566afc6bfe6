"""All scenarios; importing this package enters them into the suite."""

from tests.chaos.scenarios import data, gateways, processors, servers, sink

__all__ = ["data", "gateways", "processors", "servers", "sink"]
