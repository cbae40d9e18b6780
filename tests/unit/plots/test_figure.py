"""The registry of figures: names, paths, messages, and the example of the guide."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from elasticity.core.errors import UserError
from elasticity.plots.figure import FIGURES, FigureEntry
from tests.conftest import ROOT

GUIDE = ROOT / "docs/extending.md"


def guide(section: str) -> list[str]:
    """The Python examples of a section of the guide: the module and its test."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run(code: str) -> str:
    """The output of code in a new process, so that nothing stays registered in this one."""
    path = {"PYTHONPATH": f"{ROOT}/workflow/scripts:{ROOT}"}
    done = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def entry(name: str) -> FigureEntry:
    return FIGURES[name]


def test_a_figure_of_an_experiment_has_tables_and_files_of_it() -> None:
    assert entry("distance").table_paths("r", "existence") == ["r/tables/compression-existence.csv"]
    files = [f"r/figures/distance-existence.{suffix}" for suffix in ("svg", "pdf", "png")]
    assert entry("distance").figure_paths("r", "existence") == files


def test_a_figure_of_resistance_is_one_of_a_base_model() -> None:
    tables = ["r/tables/resistance-slices.csv", "r/tables/seeds/resistance-slices.csv"]
    assert entry("resistance").table_paths("r", "slices") == tables
    assert entry("resistance").figure_paths("r", "slices", "nano")[0] == "r/figures/resistance-slices/nano.svg"
    assert entry("resistance").figure_paths("r")[0] == "r/figures/resistance-{experiment}/{base}.svg"


def test_a_figure_of_the_study_has_files_without_an_experiment() -> None:
    tables = ["r/tables/verdicts.csv", "r/tables/seeds/verdicts.csv", "r/tables/claims.json"]
    assert entry("verdicts").table_paths("r", None) == tables
    assert entry("verdicts").figure_paths("r", None)[0] == "r/figures/verdicts.svg"


def test_an_unknown_figure_is_an_error() -> None:
    with pytest.raises(UserError, match=r"there is no figure 'pie'; available: arithmetic-coding, .*verdicts"):
        entry("pie")


def test_the_figure_of_the_guide_is_drawn_and_shown(tmp_path: Path) -> None:
    module, test = guide("A figure")
    assert len(module.splitlines()) < 50
    (tmp_path / "seeds.py").write_text(module)
    (tmp_path / "example.py").write_text(test)
    code = f"""
import sys
import elasticity.plots
elasticity.plots.__path__.append({str(tmp_path)!r})
sys.path.insert(0, {str(tmp_path)!r})
from elasticity.report.contents import figure_item, report_items
from elasticity.report.page import rendered
(item,) = report_items([figure_item("seeds", "r", experiment="existence")])
rendered(item.caption, item.title, **item.wildcards)
from example import test_every_seed_has_a_line
test_every_seed_has_a_line()
print(item.title, item.file)
"""
    assert run(code) == "existence: single seeds r/figures/seeds-existence.svg\n"


def test_the_measure_of_the_guide_is_measured_claimed_and_drawn(tmp_path: Path) -> None:
    module, test = guide("A measure")
    assert len(module.splitlines()) < 50
    (tmp_path / "late_fall.py").write_text(module)
    (tmp_path / "example.py").write_text(test)
    code = f"""
import sys
import elasticity.analysis.measures
elasticity.analysis.measures.__path__.append({str(tmp_path)!r})
sys.path.insert(0, {str(tmp_path)!r})
from example import test_the_late_fall_is_the_last_difference
test_the_late_fall_is_the_last_difference()
from elasticity.config.claims import Claim
claim = dict(hypothesis="h", experiment="e", measure="late-fall", direction="greater", role="exploratory", seeds=3)
assert Claim(**claim).unit == "score"
from elasticity.plots.figure import FigureJob
from elasticity.plots.measures import measures
from tests.unit.analysis.test_measures_table import rebound_measures, rebound_table_of_seeds
table = rebound_measures(rebound_table_of_seeds())
assert (table["measure"] == "late-fall").sum() == 2 * 3 * 2
print([axis.get_title() for axis in measures(table, FigureJob(bases=("nano", "NA"))).axes][0])
"""
    assert run(code) == "fall over the last step\n"
