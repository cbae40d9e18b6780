"""Digests of code: what changes them, and what does not."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from elasticity.core import code_digest as module
from elasticity.core.code_digest import REPORTING, code_digest
from elasticity.core.digests import SCRIPTS

SCRIPT = '''"""What the script does."""

# How
from elasticity.core.errors import UserError

WIDTH = 3
"""In tokens."""


class Part:
    """What a part is."""

    def width(self):
        """How wide it is."""
        return WIDTH
'''


class Scripts:
    """A copy of the scripts and the library that can be edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "job.py").write_text(SCRIPT)

    def digest(self, script: str, *modules: str) -> str:
        code_digest.cache_clear()
        return code_digest(script, *modules)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def append(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(path.read_text() + text)

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        (self.folder / name).write_text(text.replace(old, new))


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    shutil.copytree(SCRIPTS, tmp_path / "scripts")
    monkeypatch.setattr(module, "SCRIPTS", tmp_path / "scripts")
    yield Scripts(tmp_path / "scripts")
    code_digest.cache_clear()


@pytest.mark.parametrize(
    "module",
    [
        "finetune.py",
        "elasticity/training/loop.py",
        "elasticity/evaluation/equal_entropy.py",
        "elasticity/core/tables.py",
    ],
)
def test_code_that_a_script_uses_changes_its_digest(scripts: Scripts, module: str) -> None:
    before = scripts.digest("finetune.py")
    scripts.append(module, "\nADDED = 1\n")
    assert scripts.digest("finetune.py") != before


@pytest.mark.parametrize("module", ["pretrain.py", "elasticity/config/study.py", "elasticity/pipeline/cost.py"])
def test_code_that_a_script_does_not_use_leaves_its_digest_unchanged(scripts: Scripts, module: str) -> None:
    before = scripts.digest("finetune.py")
    scripts.append(module, "\nADDED = 1\n")
    assert scripts.digest("finetune.py") == before


@pytest.mark.parametrize("module", REPORTING)
def test_code_that_only_reports_on_a_run_leaves_its_digest_unchanged(scripts: Scripts, module: str) -> None:
    before = scripts.digest("finetune.py")
    scripts.append(module, "\nADDED = 1\n")
    assert scripts.digest("finetune.py") == before


@pytest.mark.parametrize(
    "form", ["from elasticity.used import X", "from elasticity import used", "import elasticity.used"]
)
def test_every_form_of_import_is_followed(scripts: Scripts, form: str) -> None:
    scripts.write("elasticity/used.py", "X = 1\n")
    scripts.append("job.py", f"\n{form}\n")
    before = scripts.digest("job.py")
    scripts.append("elasticity/used.py", "Y = 2\n")
    assert scripts.digest("job.py") != before


@pytest.mark.parametrize(
    "words", ["What the script does.", "# How", "In tokens.", "What a part is.", "How wide it is."]
)
def test_comments_and_docstrings_leave_the_digest_unchanged(scripts: Scripts, words: str) -> None:
    before = scripts.digest("job.py")
    scripts.replace("job.py", words, "# Other words")
    assert scripts.digest("job.py") == before


def test_a_changed_value_changes_the_digest(scripts: Scripts) -> None:
    before = scripts.digest("job.py")
    scripts.replace("job.py", "WIDTH = 3", "WIDTH = 4")
    assert scripts.digest("job.py") != before


# Modules that a script looks up by name


@pytest.fixture
def figures(scripts: Scripts) -> Scripts:
    """A package with two figures, one of which imports a helper; no script imports them."""
    scripts.write("elasticity/figures/__init__.py", '"""Figures."""\n')
    scripts.write("elasticity/figures/lines.py", "from elasticity.helper import X\n\nY = X\n")
    scripts.write("elasticity/figures/bars.py", "Y = 2\n")
    scripts.write("elasticity/helper.py", '"""What it does."""\n\n# Why\nX = 1\n')
    return scripts


LINES, BARS = "elasticity.figures.lines", "elasticity.figures.bars"


def test_a_named_module_is_part_of_the_digest(figures: Scripts) -> None:
    assert len({figures.digest("job.py"), figures.digest("job.py", LINES), figures.digest("job.py", BARS)}) == 3


@pytest.mark.parametrize("file", ["figures/lines.py", "helper.py"])
def test_a_named_module_and_its_imports_change_the_digest(figures: Scripts, file: str) -> None:
    before, without = figures.digest("job.py", LINES), figures.digest("job.py")
    figures.append(f"elasticity/{file}", "ADDED = 1\n")
    assert figures.digest("job.py", LINES) != before
    assert figures.digest("job.py") == without


def test_another_module_of_the_same_package_leaves_the_digest_unchanged(figures: Scripts) -> None:
    before = figures.digest("job.py", LINES)
    figures.append("elasticity/figures/bars.py", "ADDED = 1\n")
    figures.write("elasticity/figures/pies.py", "Y = 3\n")
    assert figures.digest("job.py", LINES) == before


@pytest.mark.parametrize("words", ["What it does.", "# Why"])
def test_comments_and_docstrings_of_a_named_module_leave_the_digest_unchanged(figures: Scripts, words: str) -> None:
    before = figures.digest("job.py", LINES)
    figures.replace("elasticity/helper.py", words, "# Other words")
    assert figures.digest("job.py", LINES) == before


def test_the_order_of_named_modules_does_not_matter(figures: Scripts) -> None:
    assert figures.digest("job.py", LINES, BARS) == figures.digest("job.py", BARS, LINES)


def test_named_modules_add_the_versions_of_the_packages_that_they_import(figures: Scripts) -> None:
    before = figures.digest("job.py", LINES)
    figures.replace("elasticity/helper.py", "X = 1", "import yaml\n\nX = 1")
    imported = figures.digest("job.py", LINES)
    figures.replace("elasticity/helper.py", "import yaml", "import pydantic as yaml")
    assert len({before, imported, figures.digest("job.py", LINES)}) == 3


# Modules of declarations


@pytest.fixture
def declared(scripts: Scripts) -> Scripts:
    """A module of job specs, of which a script imports one."""
    specs = "class Wide:\n    width: int = 1\n\n\nclass Mine(Wide):\n    a: int = 1\n\n\nclass Other:\n    b: int = 1\n"
    scripts.write("elasticity/data/jobs.py", specs)
    scripts.append("job.py", "\nfrom elasticity.data.jobs import Mine\n")
    return scripts


@pytest.mark.parametrize("field", ["a: int = 1", "width: int = 1"])
def test_an_imported_declaration_and_what_it_refers_to_count(declared: Scripts, field: str) -> None:
    before = declared.digest("job.py")
    declared.replace("elasticity/data/jobs.py", field, f"{field}\n    added: int = 0")
    assert declared.digest("job.py") != before


def test_other_declarations_do_not_count(declared: Scripts) -> None:
    before = declared.digest("job.py")
    declared.replace("elasticity/data/jobs.py", "b: int = 1", "b: int = 2")
    declared.append("elasticity/data/jobs.py", "\n\nclass Added:\n    c: int = 1\n")
    assert declared.digest("job.py") == before


# What no job computes anything from


def test_captions_do_not_count(scripts: Scripts) -> None:
    scripts.append("job.py", '\nPart(label="a", caption="What is seen.")\n')
    before = scripts.digest("job.py")
    scripts.replace("job.py", "What is seen.", "Other words.")
    assert scripts.digest("job.py") == before
    scripts.replace("job.py", 'label="a"', 'label="b"')
    assert scripts.digest("job.py") != before


def test_imports_for_type_checkers_are_not_followed(scripts: Scripts) -> None:
    scripts.write("elasticity/used.py", "X = 1\n")
    scripts.append("job.py", "\nif TYPE_CHECKING:\n    from elasticity.used import X\n")
    before = scripts.digest("job.py")
    scripts.append("elasticity/used.py", "Y = 2\n")
    assert scripts.digest("job.py") == before
