"""The risk index of zones: how much is wrong in a grid, a street, a district, as one number from 0 to 100."""

from processors.core.zones.engine import ZoneEngine
from processors.core.zones.standard import ZoneStandard

__all__ = ["ZoneEngine", "ZoneStandard"]
