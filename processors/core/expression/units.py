"""The unit of an expression, where it follows from those of the fields."""

from __future__ import annotations

from processors.core.aggregates import AGGREGATES
from processors.core.expression import nodes
from processors.core.expression.functions import FORECAST
from processors.core.expression.nodes import Node
from schemas.kinds import Kind

_ALIKE = {"least": 0, "greatest": 0, "or_else": 0, "if": 1, "abs": 0}
"""Functions whose arguments, from that one on, have the unit of the result."""


def unit_of(node: Node, kind: Kind) -> str:
    """The unit of a checked expression; empty if it does not follow, or is a plain number's.

    Terms of a sum have one unit, so one that is known is that of all. A product's is the author's to say: 100 times a
    length in m may be cm, or a share.
    """
    match node:
        case nodes.Name():
            return _field(node, kind)
        case nodes.Minus():
            return unit_of(node.operand, kind)
        case nodes.Arithmetic(sign="+" | "-"):
            return _one(unit_of(node.left, kind), unit_of(node.right, kind))
        case nodes.Duration():
            return "s"
        case nodes.Call(function=function) if function == FORECAST:
            return "s"
        case nodes.Call(function=function, arguments=(nodes.Name() as field, *_)) if function in AGGREGATES:
            own, given = _field(field, kind), AGGREGATES[function].unit
            return {"the field's": own, "the field's a second": own and f"{own}/s", "1": ""}.get(given, given)
        case nodes.Call(function=function) if function in _ALIKE:
            return _one(*(unit_of(argument, kind) for argument in node.arguments[_ALIKE[function] :]))
    return ""


def _field(node: nodes.Name, kind: Kind) -> str:
    unit = kind.field(node.name).unit
    return "" if unit == "1" else unit


def _one(*units: str) -> str:
    """The one unit among those that are known; none if they differ."""
    known = {unit for unit in units if unit}
    return known.pop() if len(known) == 1 else ""
