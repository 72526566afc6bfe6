"""Text to tree."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from processors.core.durations import ALLOWED, duration_ms
from processors.core.expression import nodes
from processors.core.expression.errors import ExpressionError
from processors.core.expression.nodes import Node, Span

_GRAMMAR = Path(__file__).with_name("grammar.lark")
_WORDS = {
    "NUMBER": "a number",
    "DURATION": "a length of time", "NAME": "a name", "TEXT": "a text", "COMPARISON": "a comparison",
    "SUM_SIGN": "+ or -", "PRODUCT_SIGN": "* or /", "LPAR": "(", "RPAR": ")", "COMMA": ",", "MINUS": "-", "NOT": "not",
    "AND": "and", "OR": "or", "ATTR": "attr", "DOT": ".", "EQUAL": "=", "$END": "the end",
}  # fmt: skip


_NUMBER_WITH_UNIT = re.compile(r"\d+(\.\d+)?[A-Za-z_]\w*")


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(_GRAMMAR.read_text(encoding="utf-8"), parser="lalr", propagate_positions=True, maybe_placeholders=False)


def parse(text: str) -> Node:
    """The tree of an expression. Raises `ExpressionError`."""
    if not text.strip():
        raise ExpressionError("the expression is empty", text, Span(0, 1))
    try:
        tree: Any = _parser().parse(text)
    except UnexpectedInput as error:
        raise _syntax_error(text, error) from None
    return _build(tree, text)


def _syntax_error(text: str, error: UnexpectedInput) -> ExpressionError:
    position = error.pos_in_stream or 0
    for match in _NUMBER_WITH_UNIT.finditer(text):
        if match.start() <= position < match.end() and not _is_duration(match[0]):
            span = Span(match.start(), match.end())
            return ExpressionError(f"`{match[0]}` is not a length of time; allowed: {ALLOWED}", text, span)
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        start = error.token.start_pos or 0
        expected = _expected(error.accepts or error.expected)
        return ExpressionError(
            f"`{error.token}` is not expected here; expected {expected}", text, Span(start, start + len(error.token))
        )
    if isinstance(error, UnexpectedToken | UnexpectedEOF):
        expected = _expected(getattr(error, "accepts", None) or error.expected)
        return ExpressionError(
            f"the expression ends too early; expected {expected}", text, Span(len(text), len(text) + 1)
        )
    if isinstance(error, UnexpectedCharacters):
        start = position
        return ExpressionError(f"`{text[start]}` is not understood here", text, Span(start, start + 1))
    return ExpressionError("not understood", text, Span(0, len(text)))


def _is_duration(text: str) -> bool:
    try:
        duration_ms(text)
    except ValueError:
        return False
    return True


def _expected(tokens: Any) -> str:
    return ", ".join(sorted({f"{_WORDS.get(token, token)}" for token in tokens}))


def _build(tree: Tree[Any] | Token, text: str) -> Node:
    if isinstance(tree, Token):
        raise TypeError(f"unexpected bare token {tree!r}")
    span = Span(tree.meta.start_pos, tree.meta.end_pos)
    children = tree.children
    kind = str(tree.data)

    def child(index: int) -> Node:
        return _build(children[index], text)

    if kind == "number":
        return nodes.Number(span, float(str(children[0])))
    if kind == "duration":
        return nodes.Duration(span, str(children[0]))
    if kind == "text":
        return nodes.Text(span, str(children[0])[1:-1])
    if kind == "attribute":
        return nodes.Attribute(span, str(children[-1]))
    if kind == "name":
        return nodes.Name(span, str(children[0]))
    if kind == "minus":
        return nodes.Minus(span, child(-1))
    if kind == "negation":
        return nodes.Not(span, child(-1))
    if kind == "arithmetic":
        return nodes.Arithmetic(span, str(children[1]), child(0), child(2))
    if kind == "comparison":
        return nodes.Comparison(span, str(children[1]), child(0), child(2))
    if kind == "named":
        return nodes.Named(span, str(children[0]), child(1))
    parts = tuple(_build(c, text) for c in children[1 if kind == "call" else 0 :])
    if kind == "all_of":
        return nodes.AllOf(span, parts)
    if kind == "any_of":
        return nodes.AnyOf(span, parts)
    name = children[0]
    return nodes.Call(span, str(name), parts, Span(span.start, span.start + len(str(name))))
