"""From a YAML mapping to a ``Study``, with errors that name the place, the value and what is allowed."""

import difflib
import json
import re
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from elasticity.errors import UserError
from elasticity.study import Study


def read_study(values: dict[str, Any], where: str = "the study") -> Study:
    """Resolve ``extends`` and validate.

    A study file stands alone, or names another with ``extends: PATH`` and takes from it each top-level section that it
    does not give itself. A section is taken or replaced whole, never blended.

    Raises ``UserError`` with one line for each mistake.
    """
    try:
        return Study.model_validate_json(json.dumps(_extended(values)))
    except ValidationError as error:
        lines = "\n".join(f"  - {_line(details)}" for details in error.errors())
        raise UserError(f"{where} cannot be run:\n{lines}\nCorrect it and run the same command again.") from None


def read_study_file(path: Path) -> Study:
    """Read a study outside Snakemake."""
    return read_study(_mapping(path), str(path))


def _extended(values: dict[str, Any]) -> dict[str, Any]:
    values = dict(values)
    seen: set[str] = set()
    while (base := values.pop("extends", None)) is not None:
        if base in seen:
            raise UserError(f"extends: {base} extends itself")
        seen.add(base)
        values = _mapping(Path(base)) | values
    return values


def _mapping(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"study file {path} does not exist (paths are relative to {Path.cwd()})")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold keys and values, not {type(values).__name__}")
    return values


def _line(details: ErrorDetails) -> str:
    """One mistake in words: where, what is wrong, the value, what is allowed."""
    loc = details["loc"]
    place = ".".join(str(part) for part in loc if part not in _KINDS) or "study"
    match details["type"]:
        case "extra_forbidden":
            allowed = _allowed_keys(loc[:-1])
            close = difflib.get_close_matches(str(loc[-1]), allowed, n=1)
            hint = f"did you mean '{close[0]}'? " if close else ""
            return f"{place}: unknown key; {hint}allowed here: {', '.join(allowed)}"
        case "missing":
            return f"{place}: is missing"
        case "value_error":
            text = details["msg"].removeprefix("Value error, ")
            return text if not loc else f"{place}: {text} (here: {json.dumps(details['input'])})"
        case "string_pattern_mismatch":
            return f"{place}: {details['input']!r} is not a name: use letters, digits, dots and hyphens only"
        case _:
            return f"{place}: {details['msg']} (here: {json.dumps(details['input'])}){_number_hint(details['input'])}"


def _number_hint(value: object) -> str:
    """YAML 1.1 reads ``1e-5`` as text because it has no dot."""
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+[eE][+-]?\d+", value):
        mantissa, exponent = re.split("[eE]", value)
        return f": YAML reads this as text; write {mantissa}.0e{exponent}"
    return ""


_KINDS = {"pretrain", "folder", "file", "movie-reviews"}
"""Values of ``kind``: pydantic puts them into the place of an error, where a reader does not expect them."""


def _allowed_keys(loc: tuple[int | str, ...]) -> list[str]:
    """The keys of the section at ``loc``."""
    annotation: Any = Study
    for part in loc:
        annotation = _step(annotation, part)
    return list(annotation.model_fields) + (["extends"] if annotation is Study else [])


def _step(annotation: Any, part: int | str) -> Any:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _step(get_args(annotation)[0], part)
    if origin in (Union, UnionType):
        return next(m for m in get_args(annotation) if part in get_args(m.model_fields["kind"].annotation))
    if origin is dict:
        return _unwrapped(get_args(annotation)[1])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _unwrapped(annotation.model_fields[str(part)].annotation)
    return annotation


def _unwrapped(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
