"""Unit conversions such as `CH4vmr_ppmv/500`: arithmetic over the columns of a recording, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from riskstream.devices.noise import Floats

_GRAMMAR = r"""
?start: sum
?sum: product | sum "+" product -> add | sum "-" product -> subtract
?product: unary | product "*" unary -> multiply | product "/" unary -> divide
?unary: "-" unary -> negate | atom
?atom: NUMBER -> number | NAME -> column | QUOTED -> quoted | "(" sum ")"
NUMBER: /(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?/
NAME: /[^\W\d][\w.]*/
QUOTED: /`[^`]+`|"[^"]+"/
%ignore /\s+/
"""
_MAX_LENGTH = 500


class ExpressionError(ValueError):
    """The expression cannot be read; the message shows it with a caret and says what is allowed."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A conversion over whole columns; `columns` are the names it needs."""

    text: str
    columns: tuple[str, ...]
    _tree: Tree[Token]

    def evaluate(self, columns: Mapping[str, Floats]) -> Floats:
        """The result for each row; NaN where a column is, and not finite where it divides by zero."""
        with np.errstate(all="ignore"):
            return np.asarray(_evaluate(self._tree, columns), np.float64)


def parse_expression(text: str) -> Expression:
    """Numbers, column names, + - * / and parentheses; names of other characters in `backquotes` or "quotes".

    Raises ExpressionError.
    """
    allowed = 'allowed: numbers, column names, + - * / ( ), other names in `backquotes` or "quotes"'
    if len(text) > _MAX_LENGTH:
        raise ExpressionError(f"the expression is longer than {_MAX_LENGTH} characters")
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        at = error.column - 1 if error.column > 0 else len(text)
        raise ExpressionError(f"cannot be read here:\n  {text}\n  {' ' * at}^\n{allowed}") from None
    names = [_name(node) for node in tree.iter_subtrees() if node.data in ("column", "quoted")]
    return Expression(text, tuple(dict.fromkeys(names)), tree)


def column_expression(name: str) -> Expression:
    """The column of that very name, whatever characters it holds."""
    return Expression(name, (name,), Tree("column", [Token("NAME", name)]))


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr")


def _name(node: Tree[Token]) -> str:
    text = str(node.children[0])
    return text[1:-1] if node.data == "quoted" else text


def _evaluate(node: Tree[Token], columns: Mapping[str, Floats]) -> Floats | float:
    if node.data == "number":
        return float(str(node.children[0]))
    if node.data in ("column", "quoted"):
        return columns[_name(node)]
    first, *rest = [_evaluate(child, columns) for child in node.children if isinstance(child, Tree)]
    if node.data == "negate":
        return -first
    (second,) = rest
    if node.data == "add":
        return first + second
    if node.data == "subtract":
        return first - second
    if node.data == "multiply":
        return first * second
    return np.divide(first, second)
