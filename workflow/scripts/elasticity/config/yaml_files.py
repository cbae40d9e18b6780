"""YAML files whose keys are unique. YAML itself takes the last of two equal keys: a section vanishes silently."""

from pathlib import Path
from typing import Any

import yaml

from elasticity.core.errors import UserError


class _UniqueKeys(yaml.SafeLoader):
    """A loader that refuses a key that a mapping has twice. Keys that ``<<`` brings in may be given again."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
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
        return super().construct_mapping(node, deep)


def read_mapping(path: Path) -> dict[str, Any]:
    """Return the keys and values of a YAML file, with or without a byte order mark.

    Raises ``UserError`` if the file does not exist, is not valid YAML, holds something else, or has a key twice.
    """
    if not path.is_file():
        raise UserError(f"study file {path} does not exist (paths are relative to {Path.cwd()})")
    try:
        values = yaml.load(path.read_text(encoding="utf-8-sig"), _UniqueKeys)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold keys and values, not {type(values).__name__}")
    return values
