"""Faults of expressions, shown with a caret under the place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from processors.core.expression.nodes import Span


class ExpressionError(ValueError):
    """A fault in an expression: `message`, the expression's `text`, and the `span` at fault."""

    def __init__(self, message: str, text: str, span: Span) -> None:
        self.message = message
        self.text = text
        self.span = span
        super().__init__(f"{message}\n{self.drawing()}")

    def drawing(self, indent: str = "    ") -> str:
        """The line of the expression that has the fault, with carets under it."""
        before = self.text[: self.span.start]
        first = before.rfind("\n") + 1
        line = self.text[first:].split("\n", 1)[0]
        start = self.span.start - first
        width = max(1, min(self.span.end - first, len(line)) - start)
        return f"{indent}{line}\n{indent}{' ' * start}{'^' * width}"


def suggestion(word: str, allowed: Iterable[str]) -> str:
    """`; did you mean …?` if one of `allowed` is near."""
    near = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f"; did you mean `{near[0]}`?" if near else ""
