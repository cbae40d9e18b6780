"""The reference of a study's keys: ``python -m elasticity.config.reference`` prints docs/configuration.md."""

import inspect
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen, MultipleOf
from pydantic import StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from elasticity.config.algorithms import ALGORITHMS, Algorithm
from elasticity.config.base import Ascending, Name, OneOf, Section
from elasticity.config.study import Study

INTRODUCTION = """# Configuration

A study is one YAML file, such as `config.yaml`. This page describes every key. It is generated from the types in
`workflow/scripts/elasticity/config`, as is the JSON schema `workflow/schemas/study.schema.json`, with which editors can
complete and check a study.

A study is complete, or begins with `extends: PATH` and takes from that study every top-level section that it does not
give itself. Sections are replaced as a whole, never merged. Such a study needs a `name` of its own. Paths are relative
to the folder in which Snakemake runs.

Keys without a default are required. A *name* consists of letters, digits, dots and hyphens and begins with a letter or
digit. Write numbers such as 1.0e-5 with a dot: YAML reads 1e-5 as text.
"""


SCALARS = {int: "integer", float: "number", str: "text", bool: "boolean", NoneType: "`null`"}
"""The names of types that are not sections."""


SYMBOLS = {Gt: ">", Ge: "≥", Lt: "<", Le: "≤", MultipleOf: "a multiple of"}
"""How constraints of numbers are written."""


BOUNDS = {Gt: "gt", Ge: "ge", Lt: "lt", Le: "le", MultipleOf: "multiple_of"}
"""The attribute of a constraint that is its number."""


NAME_PATTERN = get_args(Name)[1].pattern
"""The pattern by which a text is known to be a name."""


def reference() -> str:
    """Return the reference as Markdown: one part for each section of a study, with a table of its keys."""
    found = list(_walk("", Study, ()))
    places: dict[type[Section], list[str]] = {}
    for place, section in found:
        places.setdefault(section, []).append(place)
    main = {section: min(several, key=lambda place: place.count(".")) for section, several in places.items()}
    titles = {section: _title(place, section) for section, place in main.items()}
    others = {place for place, section in found if place != main[section]}
    parts = [INTRODUCTION]
    for section in dict.fromkeys(section for place, section in found if place == main[section]):
        # A section within one that is documented elsewhere is found there
        own = [place for place in dict.fromkeys(places[section]) if place != main[section]]
        own = [place for place in own if not any(place.startswith(f"{other}.") for other in others)]
        parts.append(_part(section, titles, own))
    return "\n".join(parts)


def _walk(place: str, section: type[Section], above: tuple[type[Section], ...]) -> Iterator[tuple[str, type[Section]]]:
    """Yield every section below one, itself first, with the place in a study where it stands."""
    yield place, section
    for key, field in section.model_fields.items():
        for step, inner in _sections(field.annotation):
            if inner not in above:
                yield from _walk(f"{place}.{key}{step}".removeprefix("."), inner, (*above, section))


def _sections(annotation: Any) -> Iterator[tuple[str, type[Section]]]:
    """Yield the sections that a type consists of, with the placeholder of their name if it maps names to sections."""
    if annotation is Algorithm:
        yield from (("", ALGORITHMS[name]) for name in ALGORITHMS.names())
    elif isinstance(annotation, type) and issubclass(annotation, Section):
        yield "", annotation
    elif get_origin(annotation) is dict:
        yield from ((f".NAME{step}", section) for step, section in _sections(get_args(annotation)[1]))
    elif get_origin(annotation) is Annotated:
        yield from _sections(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        yield from chain.from_iterable(map(_sections, get_args(annotation)))


def _title(place: str, section: type[Section]) -> str:
    """Return the heading of a section: its place in a study, and its kind if there are several."""
    kind = _kind(section)
    return (f"`{place}`" if place else "Study") + (f" of kind `{kind}`" if kind else "")


def _kind(section: type[Section]) -> str:
    """Return the value of ``kind`` that selects a section; empty if the section has no kind."""
    field = section.model_fields.get("kind")
    return str(get_args(field.annotation)[0]) if field else ""


def _part(section: type[Section], titles: dict[type[Section], str], others: list[str]) -> str:
    """Return the heading, the description and the table of a section. ``others`` are its further places."""
    lines = [f"## {titles[section]}", "", _plain(inspect.getdoc(section) or ""), ""]
    if others:
        lines += [f"Also at {', '.join(f'`{place}`' for place in others)}.", ""]
    fields = {key: field for key, field in section.model_fields.items() if key != "kind"}
    if fields:
        lines += ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
        for key, field in fields.items():
            cells = (f"`{key}`", _type(field.annotation, field.metadata, titles), _default(field), field.description)
            lines.append(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |")
        lines.append("")
    return "\n".join(lines)


def _plain(docstring: str) -> str:
    """Return a docstring as Markdown: one line for each paragraph, code in single backticks."""
    paragraphs = docstring.replace("``", "`").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _type(annotation: Any, metadata: Iterable[Any], titles: dict[type[Section], str]) -> str:
    """Return a type in words, with links to sections."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    metadata = list(chain.from_iterable(m.metadata if isinstance(m, FieldInfo) else (m,) for m in metadata))
    if origin is Annotated:
        return _type(arguments[0], [*arguments[1:], *metadata], titles)
    if origin is Literal:
        return _either(_choices(annotation, titles))
    if origin in (Union, UnionType):
        return _either(list(chain.from_iterable(_choices(argument, titles) for argument in arguments)))
    if origin is tuple:
        kind = "non-empty list" if any(isinstance(m, MinLen) for m in metadata) else "list"
        items = re.sub("^(name|integer|number)", r"\1s", _type(arguments[0], (), titles))
        return f"{kind} of {items}{', ascending' if Ascending in metadata else ''}"
    if origin is dict:
        return f"{_type(arguments[0], (), titles)}s, each with {_type(arguments[1], (), titles)}"
    if annotation is Algorithm:
        return _either([_type(ALGORITHMS[name], (), titles) for name in ALGORITHMS.names()])
    for constraint in metadata:
        if isinstance(constraint, OneOf):
            return _either([f"`{name}`" for name in constraint.registry.names()])
    if annotation in titles:
        return f"[{_kind(annotation) or 'section'}](#{_anchor(titles[annotation])})"
    if any(isinstance(m, StringConstraints) and m.pattern == NAME_PATTERN for m in metadata):
        return "name"
    limits = [f"{SYMBOLS[type(m)]} {getattr(m, BOUNDS[type(m)]):g}" for m in metadata if type(m) in SYMBOLS]
    return " ".join([SCALARS[annotation], ", ".join(limits)]).rstrip()


def _choices(annotation: Any, titles: dict[type[Section], str]) -> list[str]:
    """Return the alternatives that a type allows, in words."""
    if get_origin(annotation) is Literal:
        return [f"`{value}`" for value in get_args(annotation)]
    if get_origin(annotation) is Annotated and get_origin(get_args(annotation)[0]) in (Union, UnionType):
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        return list(chain.from_iterable(_choices(argument, titles) for argument in get_args(annotation)))
    return [_type(annotation, (), titles)]


def _either(choices: list[str]) -> str:
    """Return alternatives as an enumeration."""
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"


def _anchor(title: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _default(field: FieldInfo) -> str:
    """Return the default of a key as YAML; empty if the key is required."""
    if field.is_required():
        return ""
    value = field.default_factory() if field.default is PydanticUndefined else field.default  # type: ignore[misc, call-arg]
    if isinstance(value, Section):
        kind = _kind(type(value))
        return f"`{{kind: {kind}}}`" if kind else "`{}`"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


if __name__ == "__main__":
    print(reference(), end="")
