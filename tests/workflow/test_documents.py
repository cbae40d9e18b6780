"""Documents name files, anchors, make targets and commands that exist, and their studies are valid."""

import re
from pathlib import Path

import pytest
import yaml

from elasticity import __main__ as command_line
from elasticity.config.loading import read_study
from elasticity.config.measures import MEASURES
from tests.conftest import ROOT

DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

LOGS = {"CHANGELOG.md", "decisions.md"}
"""Dated documents, which name files of earlier versions."""

README_WORDS = 900

EXAMPLES = {"ipo.py", "test_ipo.py", "test_late_fall.py", "test_seeds.py"}
"""Files that docs/extending.md tells a reader to write."""

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


def prose(path: Path) -> str:
    """The text without fenced code."""
    return FENCE.sub("", path.read_text())


def code(path: Path) -> str:
    """Fenced code and code in a line."""
    blocks = [block for language, block in FENCE.findall(path.read_text()) if language != "yaml"]
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", prose(path))])


def anchors(path: Path) -> set[str]:
    """The anchors of the headings of a document, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = 1
        while (anchor if number == 1 else f"{anchor}-{number - 1}") in found:
            number += 1
        found.add(anchor if number == 1 else f"{anchor}-{number - 1}")
    return found


@every_document
def test_links_lead_to_files_and_anchors(path: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        if not linked.exists() or (anchor and anchor not in anchors(linked)):
            broken.append(target)
    assert broken == []


@every_document
def test_named_files_exist(path: Path) -> None:
    if path.name in LOGS:
        return
    named = re.findall(r"(?<![\w/.-])((?:workflow|docs|envs|studies|profiles|benchmarks|tests)/[\w./-]*\w)", code(path))
    examples = EXAMPLES if path.name == "extending.md" else {"studies/mine.yaml", "studies/NAME.yaml"}
    missing = [name for name in named if not (ROOT / name).exists() and not list(ROOT.glob(f"{name}.*"))]
    assert [name for name in missing if Path(name).name not in examples and name not in examples] == []


@every_document
def test_named_make_targets_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))
    if path.name in LOGS:
        return
    named = re.findall(r"(?:^|[\s(;&])make ([a-z][a-z-]*)", code(path))
    assert [name for name in named if name not in targets] == []


@every_document
def test_named_commands_exist(path: Path) -> None:
    commands = {"new", "decide", "plan", "status", "show-example", "compare", "track", "states", "name"}
    named = re.findall(r"(?:bin/elasticity|-m elasticity) ([a-z][a-z-]*)", code(path))
    assert [name for name in named if name not in commands] == []
    assert commands == {name.replace("_", "-") for name in commands if hasattr(command_line, name.replace("-", "_"))}


@every_document
def test_studies_in_documents_are_valid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that gives a name is a whole study; another one is a part of a study and is only parsed."""
    monkeypatch.chdir(ROOT)
    for language, block in FENCE.findall(path.read_text()):
        if language == "yaml":
            values = yaml.safe_load(block)
            assert isinstance(values, dict)
            if "name" in values:
                assert read_study(values).name == values["name"]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= README_WORDS


def test_the_readme_names_the_model_of_eight_lines() -> None:
    (block,) = [block for language, block in FENCE.findall((ROOT / "README.md").read_text()) if "path: /" in block]
    assert len(block.splitlines()) == 8


def test_every_measure_is_in_the_table_of_measures() -> None:
    rows = set(re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "docs/statistics.md").read_text(), re.MULTILINE))
    assert [name for name in MEASURES.names() if not rows & {name, name.removeprefix("lean-")}] == []
