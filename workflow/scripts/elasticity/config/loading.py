"""Reading a study from YAML. Errors name the key, its value and what is allowed."""

import difflib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from elasticity.config.algorithms import ALGORITHMS, Algorithm
from elasticity.config.base import Name
from elasticity.config.renamed_keys import check_renamed_keys
from elasticity.config.study import Study
from elasticity.config.validation import mistakes
from elasticity.config.yaml_files import read_mapping
from elasticity.core.errors import UserError

LONGEST = 200
"""Characters of a value that a message shows."""


def read_study(values: dict[str, Any], where: str = "the study") -> Study:
    """Resolve ``extends`` and return the validated study.

    A study is complete, or names another study file with ``extends: PATH`` and takes from it every top-level section
    that it does not give itself. Sections are replaced as a whole, never merged. Paths are relative to the current
    folder.

    ``where`` names the study in messages. Raises ``UserError`` with one line for each mistake.
    """
    values = _extended(values)
    check_renamed_keys(values, where)
    try:
        study = Study.model_validate_json(json.dumps(_typed(values), default=str))
    except ValidationError as error:
        raise _refused(where, map(_line, error.errors())) from None
    if (mistake := next(mistakes(study), None)) is not None:
        raise _refused(where, [mistake])
    return study


def read_study_file(path: Path) -> Study:
    """Read a study from a YAML file, as Snakemake does. Raises ``UserError`` as ``read_study`` does."""
    return read_study(read_mapping(path), str(path))


def _refused(where: str, mistakes: Iterable[str]) -> UserError:
    lines = "\n".join(f"  - {mistake}" for mistake in mistakes)
    return UserError(f"{where} cannot be run:\n{lines}\nCorrect it and run the same command again.")


def _extended(values: dict[str, Any]) -> dict[str, Any]:
    values = dict(values)
    named = "name" in values
    seen: set[str] = set()
    while (base := values.pop("extends", None)) is not None:
        if not isinstance(base, str):
            raise UserError(f"extends: {base!r} is not the path of a study file")
        if base in seen:
            raise UserError(f"extends: {base} extends itself")
        seen.add(base)
        values = read_mapping(Path(base)) | values
    if seen and not named:
        raise UserError("a study that extends another needs a name of its own: its results go to results/NAME")
    return values


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    """Convert numbers in the hardware section, which are text if a profile sets them by ``config``."""
    hardware = values.get("hardware")
    if not isinstance(hardware, dict):
        return values
    read = {key: yaml.safe_load(value) if isinstance(value, str) else value for key, value in hardware.items()}
    return values | {"hardware": read}


def _line(details: ErrorDetails) -> str:
    """Return one mistake as text: the key, what is wrong, the value, and what is allowed."""
    loc = details["loc"]
    place = ".".join(_walk(loc)[1]) or "study"
    match details["type"]:
        case "extra_forbidden":
            section = _walk(loc[:-1])[0]
            allowed = [*section.model_fields, *(["extends"] if section is Study else [])]
            close = difflib.get_close_matches(str(loc[-1]), allowed, n=1)
            hint = f"did you mean '{close[0]}'? " if close else ""
            return f"{place}: unknown key; {hint}allowed here: {', '.join(allowed)}"
        case "missing":
            return f"{place}: is missing"
        case "value_error":
            text = details["msg"].removeprefix("Value error, ")
            return text if not loc else f"{place}: {text} (here: {_shown(details['input'])})"
        case "string_pattern_mismatch" if details["ctx"]["pattern"] == get_args(Name)[1].pattern:
            return f"{place}: {details['input']!r} is not a name: use letters, digits, dots and hyphens only"
        case _:
            return f"{place}: {details['msg']} (here: {_shown(details['input'])}){_number_hint(details['input'])}"


def _shown(value: object) -> str:
    """Return a value as JSON, cut off where it is long."""
    text = json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _number_hint(value: object) -> str:
    """Return advice for a number such as ``1e-5``, which YAML 1.1 reads as text because it has no dot."""
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+[eE][+-]?\d+", value):
        mantissa, exponent = re.split("[eE]", value)
        return f": YAML reads this as text; write {mantissa}.0e{exponent}"
    return ""


def _walk(loc: tuple[int | str, ...]) -> tuple[Any, list[str]]:
    """Return the type at a location in a study, and the keys that lead there in the YAML file.

    Pydantic inserts the name of the chosen type into the location where a type is one of several; the YAML file has no
    such key.
    """
    annotation: Any = Study
    shown: list[str] = []
    for part in loc:
        annotation = _unwrapped(annotation)
        if annotation is Algorithm and part in ALGORITHMS.names():
            annotation = ALGORITHMS[str(part)]
            continue
        if get_origin(annotation) in (Union, UnionType):
            annotation = next((member for member in get_args(annotation) if _is_chosen(member, part)), annotation)
            continue
        shown.append(str(part))
        if get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel) and part in annotation.model_fields:
            annotation = annotation.model_fields[str(part)].annotation
    return _unwrapped(annotation), shown


def _is_chosen(member: Any, part: int | str) -> bool:
    """Return whether a member of a union is the section with this value of ``kind``."""
    member = _unwrapped(member)
    is_section = isinstance(member, type) and issubclass(member, BaseModel)
    return is_section and part in get_args(member.model_fields["kind"].annotation)


def _unwrapped(annotation: Any) -> Any:
    """Return a type without its annotations, and without None if it is optional."""
    if get_origin(annotation) is Annotated:
        return _unwrapped(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        given = [member for member in get_args(annotation) if member is not NoneType]
        return _unwrapped(given[0]) if len(given) == 1 else annotation
    return annotation
