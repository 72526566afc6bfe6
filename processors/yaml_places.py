"""YAML with the place of every value, so that a fault can be shown where it is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import yaml


class YamlError(ValueError):
    """The text is not YAML, or names a key twice; with its line and column, both from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        self.line = line
        self.column = column
        super().__init__(message)


class Location(NamedTuple):
    """Line and column, both from 1."""

    line: int
    column: int


class PlacedYaml:
    """A YAML document: its `data`, and where each value stands."""

    def __init__(self, text: str) -> None:
        """Raises `YamlError`."""
        loader = yaml.SafeLoader(text)
        try:
            self._root = loader.get_single_node()
            for node in _nodes(self._root):
                _check_keys(node)
            self.data: Any = loader.construct_document(self._root) if self._root is not None else None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise YamlError(f"not readable as YAML: {error.problem}", line, column) from None
        except yaml.YAMLError as error:
            raise YamlError(f"not readable as YAML: {error}", 1, 1) from None
        finally:
            loader.dispose()

    def location(self, path: Iterable[str | int], *, key: bool = False) -> Location:
        """Where the value at a path of keys and indexes stands, or as much of the path as there is.

        With `key`, where the key of the path's last part stands.
        """
        node = self._root
        mark = node.start_mark if node is not None else None
        for part in path:
            found = _child(node, part)
            if found is None:
                break
            name, node = found
            mark = name.start_mark if key else node.start_mark
        return Location(mark.line + 1, mark.column + 1) if mark is not None else Location(1, 1)


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if isinstance(name, yaml.ScalarNode) and name.value == str(part):
                return name, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _nodes(node: yaml.Node | None) -> Iterator[yaml.Node]:
    if node is None:
        return
    yield node
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            yield from _nodes(name)
            yield from _nodes(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _nodes(value)


def _check_keys(node: yaml.Node) -> None:
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for name, _ in node.value:
        if isinstance(name, yaml.ScalarNode):
            if name.value in seen:
                message = f"the key `{name.value}` is given twice"
                raise YamlError(message, name.start_mark.line + 1, name.start_mark.column + 1)
            seen.add(name.value)
