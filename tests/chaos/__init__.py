"""The chaos suite: real parts, real faults, one oracle (docs/chaos.md)."""
