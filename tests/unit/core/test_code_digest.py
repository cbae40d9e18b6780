"""Digests of code: what changes them, and what does not."""

import shutil
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from elasticity.core.code_digest import REPORTING, Code, _installed, code_digest, used_code
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
        return Code(self.folder).digest(script, *modules)

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
def scripts(tmp_path: Path) -> Scripts:
    shutil.copytree(SCRIPTS, tmp_path / "scripts", ignore=shutil.ignore_patterns("*.pyc*", "*.statements.[0-9]*"))
    return Scripts(tmp_path / "scripts")


@pytest.mark.parametrize(
    "module",
    [
        "finetune.py",
        "elasticity/training/loop.py",
        "elasticity/training/datasets.py",
        "elasticity/core/tables.py",
    ],
)
def test_code_that_a_script_uses_changes_its_digest(scripts: Scripts, module: str) -> None:
    before = scripts.digest("finetune.py")
    scripts.append(module, "\nADDED = 1\n")
    assert scripts.digest("finetune.py") != before


@pytest.mark.parametrize(
    "module", ["pretrain.py", "elasticity/config/study.py", "elasticity/pipeline/planning/budget.py"]
)
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


# Modules of declarations: the package config, and modules named jobs and schemas

JOBS = """
from typing import Annotated

from elasticity.config.base import Section
from elasticity.data.unit import CHECK, Unused, Unit, inner, mark, quoted

WIDTH = 1
HEIGHT: int = 2


class Wide(Section):
    width: int = WIDTH


class Part:
    size: int = 1


def factory():
    return HEIGHT


@mark
class Mine(Wide):
    part: Part
    later: "list[Quoted]"
    unit: Annotated[int, Unit]
    made: int = factory()

    def method(self):
        from elasticity.data.late import Late

        return inner(Late, Mine)


class Quoted:
    text: str = "q"


class Other:
    b: int = 1
    unused: Unused
"""

UNIT = "class Unit: ...\nclass Unused: ...\nCHECK = 1\ndef inner(*_): ...\ndef mark(it): return it\nquoted = 1\n"


@pytest.fixture
def declared(scripts: Scripts) -> Scripts:
    """A module of job specs, of which a script imports one."""
    scripts.write("elasticity/data/jobs.py", JOBS)
    scripts.write("elasticity/data/unit.py", UNIT)
    scripts.write("elasticity/data/late.py", "class Late: ...\n")
    scripts.append("job.py", "\nfrom elasticity.data.jobs import Mine\n")
    return scripts


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    part: Part\n", "    part: Part\n    added: int = 0\n"),
        ("    width: int = WIDTH\n", "    width: int = WIDTH\n    added: int = 0\n"),  # a base class
        ("    size: int = 1\n", "    size: int = 2\n"),  # the type of a field
        ('    text: str = "q"\n', '    text: str = "r"\n'),  # a type that is written as text
        ("WIDTH = 1", "WIDTH = 3"),  # a default of a base class
        ("    return HEIGHT", "    return HEIGHT + 1"),  # a function that makes a default
        ("HEIGHT: int = 2", "HEIGHT: int = 3"),  # a name inside a function
    ],
)
def test_an_imported_declaration_and_what_it_refers_to_count(declared: Scripts, old: str, new: str) -> None:
    before = declared.digest("job.py")
    declared.replace("elasticity/data/jobs.py", old, new)
    assert declared.digest("job.py") != before


def test_other_declarations_do_not_count(declared: Scripts) -> None:
    before = declared.digest("job.py")
    declared.replace("elasticity/data/jobs.py", "b: int = 1", "b: int = 2")
    declared.append("elasticity/data/jobs.py", "\n\nclass Added:\n    c: int = 1\n")
    assert declared.digest("job.py") == before


def test_a_script_that_imports_another_declaration_has_another_digest(declared: Scripts) -> None:
    declared.write("other.py", "from elasticity.data.jobs import Other\n")
    mine, other = declared.digest("job.py"), declared.digest("other.py")
    declared.replace("elasticity/data/jobs.py", "b: int = 1", "b: int = 2")
    assert declared.digest("job.py") == mine
    assert declared.digest("other.py") != other


@pytest.mark.parametrize("file", ["unit.py", "late.py"])
def test_imports_of_needed_declarations_are_followed(declared: Scripts, file: str) -> None:
    """Decorators, annotations and calls inside functions need names of unit.py; a method imports late.py."""
    before = declared.digest("job.py")
    declared.append(f"elasticity/data/{file}", "ADDED = 1\n")
    assert declared.digest("job.py") != before


@pytest.mark.parametrize("use", ["@mark\n", "    unit: Annotated[int, Unit]\n", "inner(Late, Mine)"])
def test_decorators_annotations_and_functions_refer_to_imports(declared: Scripts, use: str) -> None:
    """Without all uses but one, the import still counts."""
    for other in {"@mark\n", "    unit: Annotated[int, Unit]\n", "inner(Late, Mine)"} - {use}:
        declared.replace("elasticity/data/jobs.py", other, "" if other.endswith("\n") else "Late, Mine")
    before = declared.digest("job.py")
    declared.append("elasticity/data/unit.py", "ADDED = 1\n")
    assert declared.digest("job.py") != before


def test_imports_that_no_needed_declaration_uses_are_not_followed(declared: Scripts) -> None:
    for use in ("@mark\n", "    unit: Annotated[int, Unit]\n", "inner(Late, Mine)"):
        declared.replace("elasticity/data/jobs.py", use, "" if use.endswith("\n") else "Late, Mine")
    before = declared.digest("job.py")
    declared.append("elasticity/data/unit.py", "ADDED = 1\n")
    assert declared.digest("job.py") == before


def test_an_added_import_counts_only_if_a_needed_declaration_uses_it(declared: Scripts) -> None:
    before = declared.digest("job.py")
    declared.replace("elasticity/data/jobs.py", "import CHECK,", "import CHECK, More,")
    assert declared.digest("job.py") == before
    declared.replace("elasticity/data/jobs.py", "    part: Part\n", "    part: Part\n    more: More\n")
    used = declared.digest("job.py")
    declared.replace("elasticity/data/jobs.py", "More,", "Many as More,")
    assert len({before, used, declared.digest("job.py")}) == 3


def test_statements_that_define_nothing_always_count(declared: Scripts) -> None:
    before = declared.digest("job.py")
    declared.append("elasticity/data/jobs.py", "\n\nOther.b = 2\n")
    assert declared.digest("job.py") == before  # binds an attribute of a declaration that is not needed
    declared.append("elasticity/data/jobs.py", "\n\nprint(Other)\n")
    assert declared.digest("job.py") != before


def test_declarations_that_one_script_imports_in_several_places_are_merged(declared: Scripts) -> None:
    declared.write("elasticity/data/reads.py", "from elasticity.data.jobs import Other\n")
    declared.append("job.py", "from elasticity.data.reads import Other\n")
    before = declared.digest("job.py")
    declared.replace("elasticity/data/jobs.py", "b: int = 1", "b: int = 2")
    other = declared.digest("job.py")
    declared.replace("elasticity/data/jobs.py", "size: int = 1", "size: int = 2")
    assert len({before, other, declared.digest("job.py")}) == 3


# The job specs and schemas of the library


def field_added(scripts: Scripts, file: str, owner: str) -> None:
    """Add a field to a class, as its first statement."""
    text = (scripts.folder / file).read_text()
    head = next(line for line in text.splitlines() if line.startswith(f"class {owner}("))
    scripts.replace(file, f"{head}\n", f"{head}\n    added: int = 0\n")


def test_a_field_of_one_job_spec_leaves_scripts_with_other_job_specs_unchanged(scripts: Scripts) -> None:
    names = ("measure.py", "finetune_measured.py", "cross_entropy.py", "train_slices.py", "finetune.py", "pretrain.py")
    before = {name: scripts.digest(name) for name in names}
    field_added(scripts, "elasticity/evaluation/jobs.py", "Measurements")
    after = {name: scripts.digest(name) for name in names}
    assert {name for name in names if before[name] != after[name]} == {"measure.py", "finetune_measured.py"}


def test_a_field_of_the_base_class_of_all_specs_changes_every_script(scripts: Scripts) -> None:
    names = ("measure.py", "finetune.py", "table.py", "score.py")
    before = {name: scripts.digest(name) for name in names}
    field_added(scripts, "elasticity/config/base.py", "Section")
    assert [name for name in names if scripts.digest(name) == before[name]] == []


def test_a_field_that_a_job_spec_contains_changes_its_script(scripts: Scripts) -> None:
    before = scripts.digest("measure.py"), scripts.digest("compress_texts.py")
    field_added(scripts, "elasticity/config/sampling.py", "Sampling")
    after = scripts.digest("measure.py"), scripts.digest("compress_texts.py")
    assert (after[0] != before[0], after[1] == before[1]) == (True, True)


def test_a_column_of_a_schema_changes_only_scripts_that_use_it(scripts: Scripts) -> None:
    names = ("measure.py", "score.py", "finetune_measured.py", "finetune.py", "compress_texts.py")
    before = {name: scripts.digest(name) for name in names}
    old, new = '("nats", pa.float64())],', '("nats", pa.float64()), ("added", pa.int64())],'
    scripts.replace("elasticity/evaluation/schemas.py", old, new)  # of DIVERGENCES
    after = {name: scripts.digest(name) for name in names}
    assert {name for name in names if before[name] != after[name]} == {"measure.py", "finetune_measured.py"}


# Words and imports for type checkers


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


def test_descriptions_of_fields_do_not_count(scripts: Scripts) -> None:
    scripts.append("job.py", '\nsize: int = Field(1, gt=0, description="Number of parts")\n')
    before = scripts.digest("job.py")
    scripts.replace("job.py", "Number of parts", "Count")
    assert scripts.digest("job.py") == before
    scripts.replace("job.py", "gt=0", "gt=1")
    assert scripts.digest("job.py") != before


def test_descriptions_that_are_no_documentation_count(scripts: Scripts) -> None:
    scripts.append("job.py", '\nshow(description="Number of parts")\n')
    before = scripts.digest("job.py")
    scripts.replace("job.py", "Number of parts", "Count")
    assert scripts.digest("job.py") != before


def test_the_digest_distinguishes_the_order_and_nesting_of_statements(scripts: Scripts) -> None:
    texts = (
        "if a:\n    b()\nc()\n",
        "if a:\n    b()\n    c()\n",
        "if a:\n    c()\n    b()\n",
        "if a:\n    b()\nelse:\n    c()\n",
    )
    digests = set()
    for text in texts:
        scripts.write("other.py", text)
        digests.add(scripts.digest("other.py"))
    assert len(digests) == len(texts)


def test_layout_leaves_the_digest_unchanged(scripts: Scripts) -> None:
    scripts.write("other.py", "x = [1, 2]\n")
    before = scripts.digest("other.py")
    scripts.write("other.py", "\n\nx = [\n    1,\n    2,\n]  # a list\n")
    assert scripts.digest("other.py") == before


# The library as it is


def test_every_script_has_a_digest_of_its_own() -> None:
    scripts = [path.name for path in SCRIPTS.glob("*.py")]
    assert len({code_digest(script) for script in scripts}) == len(scripts)


def test_scripts_do_not_depend_on_the_pipeline() -> None:
    for script in SCRIPTS.glob("*.py"):
        assert not [path for path in used_code(script.name) if "pipeline" in path.parts], script.name


@pytest.mark.parametrize("module", ["numpy", "pandas", "sklearn", "snakemake", "torch", "transformers", "yaml"])
def test_packages_are_those_that_the_standard_library_finds(module: str) -> None:
    found = {package.name for package in _installed()[module]}
    assert found == set(packages_distributions()[module])


def test_modules_of_the_standard_library_are_of_no_package() -> None:
    assert not {"ast", "json", "pathlib"} & _installed().keys()
