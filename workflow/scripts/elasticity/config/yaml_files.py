"""YAML files whose keys are unique, and whose numbers, depth and size are as they look.

YAML itself takes the last of two equal keys, so that a section vanishes silently; ``yes`` and ``true`` are equal, and
so are ``1_0`` and ``10``. YAML 1.1, which Snakemake and PyYAML read, has octal numbers (``010`` is 8) and numbers to
the base 60 (``1:30`` is 90). A file of a few lines can stand for billions of values, by aliases of aliases.
"""

import os
import re
from pathlib import Path
from typing import Any

import yaml

from elasticity.core.errors import UserError

DEEPEST = 50
"""Most levels of a study; existing ones have six."""

MOST_VALUES = 100_000
"""Most values that a file may stand for, each alias counted with all that it stands for."""

LARGEST = 1_000_000
"""Most characters of a file, which take seconds to read."""

OTHER_BASE = re.compile(r"[-+]?(0[0-9_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")
"""Numbers that YAML 1.1 reads with another base than ten without a letter that says so."""


CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters that no text of a study needs: they command terminals, end file names, or are half of a character."""


class _Plain(yaml.SafeLoader):
    """A loader that refuses what does not mean what it looks like, and what would take for ever.

    Keys that ``<<`` brings in may be given again.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.depth = 0
        self.values: dict[int, int] = {}
        """The number of values that each node stands for, by the node."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node, unless it is too deep or stands for too many values."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1 if event.start_mark else 0
        self.depth += 1
        if self.depth > DEEPEST:
            raise UserError(f"line {line}: more than {DEEPEST} levels, one within the other; take some of them out")
        node = super().compose_node(parent, index)
        self.depth -= 1
        if isinstance(event, yaml.AliasEvent):
            if id(node) not in self.values:
                raise UserError(f"line {line}: *{event.anchor} stands for something that it is a part of; write it out")
        elif node is not None:
            self.values[id(node)] = 1 + sum(self.values[id(child)] for child in _children(node))
            if self.values[id(node)] > MOST_VALUES:
                raise UserError(f"line {line}: with its aliases this stands for more than {MOST_VALUES:,} values")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Make a mapping, unless it has a key twice or one that is not the text that it looks like."""
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                raise UserError(
                    f"key {key.value!r} is given twice, in lines {lines[key.value]} and {line}: leave one of them out"
                )
            lines[key.value] = line
            read = self.construct_object(key)
            if isinstance(read, bool) or not isinstance(read, str | int | float) or str(read) != key.value:
                raise UserError(
                    f"line {line}: YAML reads the key {key.value} as {read!r}, not as text: put it in quotes"
                )
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        """Return the text of a node, unless it has control characters."""
        if isinstance(node, yaml.ScalarNode) and (found := CONTROL.search(node.value)):
            line = node.start_mark.line + 1
            raise UserError(f"line {line}: the text holds the control character {found[0]!r}: take it out")
        return super().construct_scalar(node)

    def construct_decimal(self, node: yaml.ScalarNode) -> int | float:
        """Make a number, unless YAML would read it with another base than ten and nothing in it says so."""
        is_int = node.tag == "tag:yaml.org,2002:int"
        number = self.construct_yaml_int(node) if is_int else self.construct_yaml_float(node)
        if OTHER_BASE.fullmatch(node.value):
            raise UserError(
                f"line {node.start_mark.line + 1}: YAML would read {node.value} as {number}: write the number that you "
                f'mean without zeros before it and without colons, or "{node.value}" if it is text'
            )
        return number


_Plain.add_constructor("tag:yaml.org,2002:int", _Plain.construct_decimal)
_Plain.add_constructor("tag:yaml.org,2002:float", _Plain.construct_decimal)


def _children(node: yaml.Node) -> list[yaml.Node]:
    """Return the nodes within a node."""
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def read_mapping(path: Path) -> dict[str, Any]:
    """Return the keys and values of a YAML file, with or without a byte order mark.

    Raises ``UserError`` if the file does not exist, is not valid YAML, holds something else, has a key twice, or has
    numbers that do not mean what they look like; and for files that are too large, too deep, or would be when their
    aliases are written out.
    """
    if not os.path.isfile(path):  # Path.is_file raises an error for a path that is too long
        raise UserError(f"study file {path} does not exist (paths are relative to {Path.cwd()})")
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise UserError(f"it has more than {LARGEST:,} characters, which no study needs; is it a data file?")
        values = yaml.load(text, _Plain)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {error}") from None
    except ValueError as error:  # a date such as 2026-13-45, or a number of many thousand digits
        raise UserError(f"{path} holds a value that cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold keys and values, not {type(values).__name__}")
    return values
