"""The complete examples of docs/extending.md, each added as one new file, work in a real run."""

import csv
import json
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT, Project, expected, reviews
from tests.slurm.conftest import small_study

pytestmark = pytest.mark.slow

LIBRARY = Path("workflow/scripts/elasticity")
GUIDE = ROOT / "docs/extending.md"

EXAMPLES = {
    "A data format": ("data/formats", "good_bad.py"),
    "A preference algorithm": ("training/algorithms", "ipo.py"),
    "A figure": ("plots", "seeds.py"),
    "A measure": ("analysis/measures", "late_fall.py"),
}
"""The sections of the guide, with the folder and the name of the file that each one adds."""

LONGEST = 50
"""Lines that an example may have."""


def section(heading: str) -> str:
    """Return the text of a section of the guide."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"docs/extending.md has no section {heading!r}"
    return found[1]


def example(heading: str) -> str:
    """Return the first Python block of a section, which is the whole new file."""
    found = re.search(r"^```python\n(.*?)^```$", section(heading), re.MULTILINE | re.DOTALL)
    assert found, f"section {heading!r} has no Python block"
    return found[1]


@pytest.mark.parametrize("heading", EXAMPLES)
def test_an_example_is_one_short_file_whose_place_the_guide_names(heading: str) -> None:
    folder, name = EXAMPLES[heading]
    assert len(example(heading).splitlines()) < LONGEST
    assert f"workflow/scripts/elasticity/{folder}/" in section(heading)
    assert re.search(rf"`(algorithms/)?{name}`", section(heading))
    assert not (ROOT / LIBRARY / folder / name).exists()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small study that uses all four examples, run up to its figures and verdicts."""
    project = Project.new(tmp_path_factory.mktemp("extending"))
    for heading, (folder, name) in EXAMPLES.items():
        (project.folder / LIBRARY / folder / name).write_text(example(heading))
    texts = [row["text"] for row in reviews(480)]
    pairs = [
        {"question": f"film {number}?", "good_reply": good, "bad_reply": bad}
        for number, (bad, good) in enumerate(zip(texts[::2], texts[1::2], strict=True))
    ]
    (project.folder / "replies.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in pairs))
    study = small_study()
    study["tasks"]["made-up"]["source"] = {"kind": "file", "path": "replies.jsonl", "format": "good-bad"}
    study["tasks"]["made-up"]["prompts"] = {"kind": "questions", "max_tokens": 10}
    study["recipes"] = {"ipo": study["inverse"] | {"algorithm": {"kind": "ipo", "tau": 0.2}}}
    study["rebound"]["existence"] |= {"alignment_sizes": [4, 8], "inverse_recipe": "ipo"}
    claim = expected("existence", "late-fall", "greater") | {"over": "sizes", "role": "exploratory"}
    study["claims"] = {"still-falling": claim}
    project.write_study(study)
    project.snakemake("results/tiny/figures/seeds-existence.svg", "results/tiny/tables/verdicts.csv")
    return project


def test_the_data_are_read_in_the_new_format(project: Project) -> None:
    counts = json.loads((project.folder / "results/tiny/made-up/examples.json").read_text())
    assert counts["read"] == 480


def test_the_inverse_stage_is_trained_by_the_new_algorithm(project: Project) -> None:
    metrics = list((project.folder / "results/tiny/made-up/rebound").glob("nano/*/alignment/*/P*/ipo/*/metrics.json"))
    assert len(metrics) == 2
    for path in metrics:
        record = json.loads(path.read_text())
        assert record["examples"] == 4
        assert record["mean_loss"] == pytest.approx(
            (1 / (2 * 0.2)) ** 2
        )  # before the only update, the log-ratios are 0


def test_the_new_figure_is_drawn(project: Project) -> None:
    for suffix in ("svg", "pdf", "png"):
        assert (project.folder / f"results/tiny/figures/seeds-existence.{suffix}").stat().st_size > 1000


def test_the_claim_about_the_new_measure_has_a_verdict(project: Project) -> None:
    with (project.folder / "results/tiny/tables/verdicts.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["claim"], row["measure"]) == ("still-falling", "late-fall")
    assert row["verdict"] in ("confirmed", "refuted", "undecided", "not testable")
