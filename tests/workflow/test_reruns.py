"""Which jobs run again after a change of the study, its data or the code, as Snakemake plans them."""

import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Project, tiny_study

pytestmark = pytest.mark.slow

LIBRARY = Path("workflow/scripts/elasticity")

Study = dict[str, Any]


def planned(project: Project) -> Counter[str]:
    """Return how many jobs of each rule a dry run announces."""
    output = project.snakemake("--dry-run")
    table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\ntotal", output, re.DOTALL)
    if table is None:
        assert "Nothing to be done" in output
        return Counter()
    return Counter({rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)", table[1], re.MULTILINE)})


def with_new_parameters(project: Project) -> set[str]:
    """Return the rules whose own parameters, the code digest among them, differ from those of the finished study."""
    rows = [line.split("\t") for line in project.snakemake("--summary").splitlines()]
    return {row[2] for row in rows if len(row) == 6 and row[4] == "params changed"}


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    return finished.copy(tmp_path / "copy")


def edited(project: Project, file: str | Path, old: str, new: str) -> Project:
    path = project.folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return project


def changed(project: Project, change: Callable[[Study], object]) -> Project:
    study = tiny_study()
    change(study)
    project.write_study(study)
    return project


REPORT = Counter(provenance=1, card=2, report_page=1, all=1)
"""The jobs that run again whenever any table or figure does."""


def test_nothing_to_do_after_a_run(project: Project) -> None:
    assert planned(project) == Counter()


def test_touching_every_file_reruns_nothing(project: Project) -> None:
    for path in project.folder.rglob("*"):
        if ".snakemake" not in path.parts:
            os.utime(path)
    assert planned(project) == Counter()


def test_comments_and_docstrings_rerun_nothing(project: Project) -> None:
    for path in (project.folder / LIBRARY).rglob("*.py"):
        path.write_text(f"# A comment.\n{path.read_text()}".replace('"""', '"""Changed. ', 1))
    assert planned(project) == Counter()


def test_a_page_template_reruns_the_page_only(project: Project) -> None:
    edited(project, "workflow/report/page.html.jinja", "<body", "<body id='page'")
    assert planned(project) == Counter(report_page=1, all=1)


def test_figure_code_renders_figures_only(project: Project) -> None:
    edited(project, LIBRARY / "plots/style.py", 'MARKERS = "os', 'MARKERS = "so')
    figures = Counter(rebound_figure=2, text_statistics_figure=1, resistance_figure=1, measures_figure=3)
    assert planned(project) == figures + Counter(verdicts_figure=1) + REPORT


def test_a_library_module_reruns_the_stages_that_import_it(project: Project) -> None:
    """It reruns what comes after them, too, and the slices, whose weights are temporary."""
    edited(project, LIBRARY / "evaluation/likelihood.py", "batch_size: int = 64", "batch_size: int = 32")
    measured = Counter(bits_per_byte=1, cross_entropy=2, text_statistics=1)
    weights = Counter(slices=2, generate_slices=2, tune=12)
    tables = Counter(bits_per_byte_table=1, resistance_table=1, text_statistics_table=1, rebound_table=1)
    tables += Counter(measures_table=2, verdicts_table=1)
    figures = Counter(resistance_figure=1, text_statistics_figure=1, rebound_figure=1, measures_figure=2)
    assert planned(project) == measured + weights + tables + figures + Counter(verdicts_figure=1) + REPORT


def test_a_changed_claim_is_tested_anew_and_trains_nothing(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study["claims"]["resists"].update(margin=0.1)))
    assert jobs == Counter(verdicts_table=1, verdicts_figure=1) + REPORT


def test_changed_data_are_read_again(project: Project) -> None:
    with (project.folder / "reviews.jsonl").open("a") as file:
        file.write('{"text": "one more", "label": 1}\n')
    assert planned(project)["fetch"] == 1


def test_an_added_inverse_size_trains_only_that_size(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study["rebound"]["existence"]["inverse_sizes"].append(12)))
    assert jobs["inverse"] == jobs["generate"] == 4  # two alignment sizes, two seeds
    assert not jobs.keys() & {"split", "pretrain", "alignment", "slices", "tune", "generate_base", "score_model"}


def test_an_added_alignment_size_trains_only_that_size(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study["rebound"]["existence"]["alignment_sizes"].append(24)))
    assert jobs["alignment"] == jobs["inverse"] == jobs["generate"] == 2  # two seeds
    assert not jobs.keys() & {"split", "pretrain", "slices", "tune", "generate_base", "score_model"}


def test_an_added_seed_runs_only_that_seed(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study["seeds"].append(3)))
    assert jobs["alignment"] == 2  # two bases
    assert jobs["inverse"] == jobs["generate"] == 3
    assert jobs["slices"] == jobs["generate_slices"] == jobs["cross_entropy"] == 1
    assert jobs["tune"] == 6
    assert not jobs.keys() & {"split", "pretrain", "generate_base", "bits_per_byte", "score_model"}


def test_an_added_model_runs_only_that_model(project: Project) -> None:
    def add(study: Study) -> None:
        study["models"]["wide"] = study["models"]["nano"] | {"hidden_size": 32, "checkpoints": []}
        study["rebound"]["pretraining"]["bases"].append("wide")

    jobs = planned(changed(project, add))
    assert jobs["pretrain"] == jobs["generate_base"] == 1
    assert jobs["alignment"] == jobs["inverse"] == jobs["generate"] == 2
    assert not jobs.keys() & {"split", "tokenizer", "slices", "tune", "score_model"}


def test_a_removed_size_trains_nothing(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study["rebound"]["existence"]["inverse_sizes"].remove(4)))
    assert not jobs.keys() & {"alignment", "inverse", "generate", "score"}


def test_a_changed_setting_of_the_inverse_stage_reruns_inverse_stages(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study.update(inverse=study["inverse"] | {"beta2": 0.9})))
    assert jobs["inverse"] == jobs["generate"] == 6
    assert not jobs.keys() & {"split", "pretrain", "alignment", "slices", "tune", "generate_base", "score_model"}


TRAINING = {"fetch", "tokenizer", "pretrain", "alignment", "inverse", "slices", "tune"}
"""The rules that make data and models. Nothing that only measures, analyses or shows reruns them by its parameters."""


@dataclass(frozen=True)
class Edit:
    """A kind of edit, and the rules whose own parameters it changes. What comes after these runs again, too.

    ``old`` in ``file`` is replaced by ``new``; without them, ``change`` is applied to the study.
    """

    rules: set[str]
    file: Path = Path("config.yaml")
    old: str = ""
    new: str = ""
    change: Callable[[Study], object] | None = None

    def apply(self, project: Project) -> Project:
        if self.change:
            return changed(project, self.change)
        return edited(project, self.file, self.old, self.new)


def added_field(file: str, name: str, *rules: str) -> Edit:
    """A job spec that gets another field with a default."""
    found = re.search(rf'class {name}\(.*?\):\n    """.*?"""\n\n', (ROOT / LIBRARY / file).read_text(), re.DOTALL)
    assert found
    return Edit(set(rules), LIBRARY / file, found[0], f"{found[0]}    added: int = 0\n")


def added_column(file: str, name: str, *rules: str) -> Edit:
    """A schema that gets another column."""
    start = f"{name} = pa.schema(\n    [\n"
    if start not in (ROOT / LIBRARY / file).read_text():
        start = f"{name} = pa.schema(["
    return Edit(set(rules), LIBRARY / file, start, f'{start}("added", pa.int64()), ')


def edited_code(file: str, old: str, new: str, *rules: str) -> Edit:
    return Edit(set(rules), LIBRARY / file, old, new)


FINE_TUNING = ("alignment", "inverse", "slices", "tune")
DATA = ("fetch", "split", "prompts", "tokenizer", "score_model")
TABLES = ("rebound_table", "text_statistics_table", "bits_per_byte_table", "resistance_table", "measures_table")
FIGURES = ("rebound_figure", "text_statistics_figure", "resistance_figure", "measures_figure", "verdicts_figure")

EDITS = {
    # Job specs
    "field of FetchJob": added_field("data/jobs.py", "FetchJob", "fetch"),
    "field of SplitJob": added_field("data/jobs.py", "SplitJob", "split"),
    "field of TokenizerJob": added_field("models/jobs.py", "TokenizerJob", "tokenizer"),
    "field of PretrainJob": added_field("training/jobs.py", "PretrainJob", "pretrain"),
    "field of FineTuneJob": added_field("training/jobs.py", "FineTuneJob", *FINE_TUNING),
    "field of GenerateJob": added_field("evaluation/jobs.py", "GenerateJob", "generate_base", "generate"),
    "field of TextStatisticsJob": added_field("evaluation/jobs.py", "TextStatisticsJob", "text_statistics"),
    "field of CrossEntropyJob": added_field("evaluation/jobs.py", "CrossEntropyJob", "cross_entropy"),
    "field of BitsPerByteJob": added_field(
        "evaluation/jobs.py", "BitsPerByteJob", "bits_per_byte", "bits_per_byte_table"
    ),
    "field of ReboundTableJob": added_field(
        "analysis/jobs.py",
        "ReboundTableJob",
        *("rebound_table", "text_statistics_table", "verdicts_table", "verdicts_figure"),
    ),
    # Schemas
    "column of EXAMPLES": added_column("data/schemas.py", "EXAMPLES", *DATA, "pretrain", *FINE_TUNING, "bits_per_byte"),
    "column of SCORES": added_column("evaluation/schemas.py", "SCORES", "score", "rebound_table", "verdicts_table"),
    "column of TEXT_STATISTICS": added_column(
        "evaluation/schemas.py", "TEXT_STATISTICS", "text_statistics", "text_statistics_table"
    ),
    "column of CROSS_ENTROPIES": added_column(
        "evaluation/schemas.py", "CROSS_ENTROPIES", "cross_entropy", "resistance_table"
    ),
    "column of LOSSES": added_column("training/schemas.py", "LOSSES", "pretrain", *FINE_TUNING, "resistance_table"),
    # Code
    "data/cleaning": edited_code("data/cleaning.py", "[:16]", "[:20]", "fetch", "split"),
    "training/loop": edited_code("training/loop.py", "loss = 0.0", "loss = 0.25", "pretrain", *FINE_TUNING),
    "evaluation/likelihood": edited_code(
        "evaluation/likelihood.py",
        "batch_size: int = 64",
        "batch_size: int = 32",
        *("cross_entropy", "bits_per_byte", "text_statistics"),
    ),
    "evaluation/equal_entropy": edited_code("evaluation/equal_entropy.py", "half(len(order))", "len(order)"),
    "analysis/aggregation": edited_code(
        "analysis/aggregation.py",
        "CONFIDENCE = 0.95",
        "CONFIDENCE = 0.9",
        *(*TABLES, "verdicts_table", "measures_figure", "verdicts_figure", "card"),
    ),
    "plots/style": edited_code("plots/style.py", 'MARKERS = "os', 'MARKERS = "so', *FIGURES, "card"),
    "a figure": edited_code("plots/rebound.py", "width = COLUMN_IN", "width = PAGE_IN", "rebound_figure"),
    "a measure": edited_code(
        "analysis/measures/resistance.py",
        "return ",
        "return 2 * ",
        *("measures_table", "measures_figure", "verdicts_table", "verdicts_figure"),
    ),
    # Words of the report
    "caption of a figure": edited_code("plots/rebound.py", "**What is seen.**", "**What you see.**", "report_page"),
    "caption of a table": edited_code(
        "analysis/tables/rebound.py", 'caption="""\n', 'caption="""\nNew. ', "report_page"
    ),
    # The study
    "a claim": Edit(
        {"verdicts_table", "provenance"}, change=lambda study: study["claims"]["resists"].update(margin=0.1)
    ),
}

MAKING = {f"field of {name}Job" for name in ("Fetch", "Split", "Tokenizer", "Pretrain", "FineTune")} | {
    "column of EXAMPLES",
    "column of LOSSES",
    "data/cleaning",
    "training/loop",
}
"""The edits that may change data or models. All others only measure, analyse or show."""


@pytest.mark.parametrize("kind", EDITS)
def test_an_edit_changes_the_parameters_of_these_rules_only(project: Project, kind: str) -> None:
    found = with_new_parameters(EDITS[kind].apply(project))
    assert found == EDITS[kind].rules
    assert kind in MAKING or not found & TRAINING
