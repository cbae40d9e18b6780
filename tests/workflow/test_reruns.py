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
    figures = Counter(
        rebound_figure=2, text_statistics_figure=1, resistance_figure=1, measures_figure=3, base_models_figure=1
    )
    assert planned(project) == figures + Counter(verdicts_figure=1) + REPORT


def test_a_library_module_reruns_the_stages_that_import_it(project: Project) -> None:
    """It reruns what comes after them, too. Stages that are measured where they are trained are trained again."""
    edited(project, LIBRARY / "evaluation/likelihood.py", "batch_size: int = 64", "batch_size: int = 32")
    measured = Counter(bits_per_byte=1, measure_base=2, inverse=6, score=1)
    weights = Counter(slices=2, tune=12)
    tables = Counter(
        bits_per_byte_table=1, resistance_table=1, text_statistics_table=1, rebound_table=2, score_model_table=1
    )
    tables += Counter(measures_table=3, checks_table=3, noise_table=1, verdicts_table=1)
    figures = Counter(
        resistance_figure=1, text_statistics_figure=1, rebound_figure=2, measures_figure=3, base_models_figure=1
    )
    assert planned(project) == measured + weights + tables + figures + Counter(verdicts_figure=1) + REPORT


def test_a_changed_claim_is_tested_anew_and_trains_nothing(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study["claims"]["resists"].update(margin=0.1)))
    assert jobs == Counter(verdicts_table=1, verdicts_figure=1) + REPORT


def test_changed_data_are_read_again(project: Project) -> None:
    with (project.folder / "reviews.jsonl").open("a") as file:
        file.write('{"text": "one more", "label": 1}\n')
    assert planned(project)["fetch"] == 1


def test_another_number_of_base_draws_samples_base_models_only(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study["sampling"].update(base_draws=9)))
    assert (jobs["measure_base"], jobs["score"]) == (2, 1)
    assert not jobs.keys() & {*MAKING, "inverse", "slices", "tune", "score_model"}


def test_an_added_inverse_size_trains_only_that_size(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study["rebound"]["existence"]["inverse_sizes"].append(12)))
    assert jobs["inverse"] == 4  # two alignment sizes, two seeds
    assert not jobs.keys() & {"split", "pretrain", "alignment", "slices", "tune", "measure_base", "score_model"}


def test_an_added_alignment_size_trains_only_that_size(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study["rebound"]["existence"]["alignment_sizes"].append(24)))
    assert jobs["alignment"] == jobs["inverse"] == 2  # two seeds
    assert not jobs.keys() & {"split", "pretrain", "slices", "tune", "measure_base", "score_model"}


def test_an_added_seed_runs_only_that_seed(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study["seeds"].append(3)))
    assert jobs["alignment"] == 2  # two bases
    assert jobs["inverse"] == 3
    assert (jobs["slices"], jobs["tune"]) == (1, 6)
    assert not jobs.keys() & {"split", "pretrain", "measure_base", "bits_per_byte", "score_model"}


def test_an_added_model_runs_only_that_model(project: Project) -> None:
    def add(study: Study) -> None:
        study["models"]["wide"] = study["models"]["nano"] | {"hidden_size": 32, "checkpoints": []}
        study["rebound"]["pretraining"]["bases"].append("wide")

    jobs = planned(changed(project, add))
    assert jobs["pretrain"] == jobs["measure_base"] == 1
    assert jobs["alignment"] == jobs["inverse"] == 2
    assert not jobs.keys() & {"split", "tokenizer", "slices", "tune", "score_model"}


def test_a_removed_size_trains_nothing(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study["rebound"]["existence"]["inverse_sizes"].remove(4)))
    assert not jobs.keys() & {"alignment", "inverse", "score"}


def test_a_changed_setting_of_the_inverse_stage_reruns_inverse_stages(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study.update(inverse=study["inverse"] | {"beta2": 0.9})))
    assert jobs["inverse"] == 6
    assert not jobs.keys() & {"split", "pretrain", "alignment", "slices", "tune", "measure_base", "score_model"}


def test_a_new_measurement_takes_the_inverse_stages_again_but_no_other_stage(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study["rebound"]["pretraining"].update(divergence=True)))
    assert jobs["inverse"] == 4  # the run of each base model, which existence shares in part, two seeds
    assert not jobs.keys() & {"split", "pretrain", "alignment", "slices", "tune", "measure_base", "score_model"}


def test_kept_checkpoints_are_trained_once_more(project: Project) -> None:
    jobs = planned(changed(project, lambda study: study.update(keep_checkpoints=True)))
    assert (jobs["inverse"], jobs["tune"]) == (6, 12)
    assert not jobs.keys() & {"split", "pretrain", "alignment", "measure_base", "score_model"}


MEASURED = ("inverse", "slices", "tune")
"""The rules that train a model and measure it."""

MAKING = ("fetch", "tokenizer", "pretrain", "alignment")
"""The rules that make data and models, and measure nothing."""

FINE_TUNING = ("alignment", *MEASURED)
TABLES = (
    "rebound_table",
    "score_model_table",
    "text_statistics_table",
    "bits_per_byte_table",
    "resistance_table",
    "measures_table",
)
FIGURES = (
    *("rebound_figure", "base_models_figure", "text_statistics_figure", "resistance_figure", "measures_figure"),
    "verdicts_figure",
)
MEASURES = ("measures_table", "measures_figure", "noise_table", "verdicts_table", "verdicts_figure")
EXAMPLES = ("fetch", "split", "prompts", "tokenizer", "score_model", "pretrain", *FINE_TUNING, "bits_per_byte")


@dataclass(frozen=True)
class Edit:
    """An edit of a file: what is replaced by what, and the rules whose own parameters it changes.

    What comes after these rules runs again, too. ``makes``: whether the edit may change data or models; all others only
    measure, analyse or show.
    """

    file: str
    old: str
    new: str
    rules: tuple[str, ...]
    makes: bool = False

    def apply(self, project: Project) -> Project:
        return edited(project, LIBRARY / self.file, self.old, self.new)


def addition(file: str, name: str, *rules: str, makes: bool = False) -> Edit:
    """Return the edit that adds a field with a default to a job spec, or a column to a schema."""
    text = (ROOT / LIBRARY / file).read_text()
    spec = re.search(rf'class {name}\(.*?\):\n    """.*?"""\n\n', text, re.DOTALL)
    schema = re.search(rf"^{name} = pa\.schema\(\s*\[\s*", text, re.MULTILINE)
    found, added = (spec, "    added: int = 0\n") if spec else (schema, '("added", pa.int64()), ')
    assert found, f"{file} has no job spec or schema {name}"
    return Edit(file, found[0], found[0] + added, rules, makes)


EDITS = {
    # Job specs
    "field of FetchJob": addition("data/jobs.py", "FetchJob", "fetch", makes=True),
    "field of SplitJob": addition("data/jobs.py", "SplitJob", "split", makes=True),
    "field of TokenizerJob": addition("models/jobs.py", "TokenizerJob", "tokenizer", makes=True),
    "field of PretrainJob": addition("training/jobs.py", "PretrainJob", "pretrain", makes=True),
    "field of FineTuneJob": addition("training/jobs.py", "FineTuneJob", *FINE_TUNING, makes=True),
    "field of Measurements": addition("evaluation/jobs.py", "Measurements", "measure_base", "inverse"),
    "field of SliceResponses": addition("evaluation/jobs.py", "SliceResponses", "slices"),
    "field of CrossEntropies": addition("evaluation/jobs.py", "CrossEntropies", "tune"),
    "field of BitsPerByteJob": addition("evaluation/jobs.py", "BitsPerByteJob", "bits_per_byte", "bits_per_byte_table"),
    "field of ReboundTableJob": addition(
        "analysis/jobs.py",
        "ReboundTableJob",
        *("rebound_table", "text_statistics_table", "noise_table", "verdicts_table", "verdicts_figure"),
    ),
    # Schemas
    "column of EXAMPLES": addition(
        "data/schemas.py", "EXAMPLES", *EXAMPLES, "measure_base", "score_model_table", makes=True
    ),
    "column of SCORES": addition(
        *("evaluation/schemas.py", "SCORES"),
        *("score", "score_model_table", "rebound_table", "noise_table", "verdicts_table"),
    ),
    "column of TEXT_STATISTICS": addition(
        "evaluation/schemas.py", "TEXT_STATISTICS", "measure_base", "inverse", "text_statistics_table"
    ),
    "column of LEAN": addition("evaluation/schemas.py", "LEAN", "measure_base", "inverse"),
    "column of CROSS_ENTROPIES": addition("evaluation/schemas.py", "CROSS_ENTROPIES", "tune", "resistance_table"),
    "column of LOSSES": addition(
        "training/schemas.py", "LOSSES", "pretrain", *FINE_TUNING, "resistance_table", makes=True
    ),
    # Code
    "data/cleaning": Edit("data/cleaning.py", "[:16]", "[:20]", ("fetch", "split"), makes=True),
    "training/loop": Edit("training/loop.py", "loss = 0.0", "loss = 0.25", ("pretrain", *FINE_TUNING), makes=True),
    "evaluation/likelihood": Edit(
        "evaluation/likelihood.py",
        "batch_size: int = 64",
        "batch_size: int = 32",
        ("bits_per_byte", "measure_base", "inverse", "tune"),
    ),
    "evaluation/lean": Edit("evaluation/lean.py", "max(1, longest)", "max(2, longest)", ("measure_base", "inverse")),
    "evaluation/equal_entropy": Edit("evaluation/equal_entropy.py", "half(len(order))", "len(order)", ()),
    "analysis/aggregation": Edit(
        "analysis/aggregation.py",
        "CONFIDENCE = 0.95",
        "CONFIDENCE = 0.9",
        (*TABLES, "checks_table", "noise_table", "verdicts_table", "measures_figure", "verdicts_figure", "card"),
    ),
    "plots/style": Edit("plots/style.py", 'MARKERS = "os', 'MARKERS = "so', (*FIGURES, "card")),
    "a figure": Edit("plots/rebound.py", "width = COLUMN_IN", "width = PAGE_IN", ("rebound_figure",)),
    "a check": Edit(
        "analysis/checks/rebound.py",
        "TELLS = 0.6",
        "TELLS = 0.7",
        ("checks_table", "verdicts_table"),
    ),
    "a measure": Edit("analysis/measures/resistance.py", "return ", "return 2 * ", MEASURES),
    # Words of the report
    "caption of a figure": Edit(
        "plots/rebound.py", "The mean score of the", "The new mean score of the", ("report_page",)
    ),
    "caption of a table": Edit("analysis/tables/rebound.py", 'caption="""\n', 'caption="""\nNew. ', ("report_page",)),
}


@pytest.mark.parametrize("kind", EDITS)
def test_an_edit_changes_the_parameters_of_these_rules_only(project: Project, kind: str) -> None:
    edit = EDITS[kind]
    found = with_new_parameters(edit.apply(project))
    assert found == set(edit.rules)
    assert edit.makes or not found & set(MAKING)


def test_a_claim_changes_the_parameters_of_its_verdict_and_the_provenance(project: Project) -> None:
    changed(project, lambda study: study["claims"]["resists"].update(margin=0.1))
    assert with_new_parameters(project) == {"verdicts_table", "provenance"}
