"""Command-line options, the parameters of a rule, and regular expressions of names."""

import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from elasticity.core.code_digest import code_digest
from elasticity.core.path_patterns import unfold
from elasticity.pipeline.common import either, options, spec, template
from tests.unit.pipeline.graph import wildcards

GRID = [f"a/P{size}/{seed}.parquet" for size in (8, 16) for seed in (1, 2)]


def words(write: Any, inputs: dict[str, Any], outputs: dict[str, Any]) -> list[str]:
    """The words that a shell reads."""
    return shlex.split(write(wildcards(), inputs, outputs))


def test_named_inputs_and_outputs_become_options() -> None:
    inputs = {"model_file": "a", "splits": ["b", "c"]}
    assert words(options(), inputs, {"out": "d"}) == ["--model-file", "a", "--splits", "b", "c", "--out", "d"]


def test_only_the_given_names_become_options() -> None:
    assert words(options("b", "out"), {"a": "1", "b": "2"}, {"out": "3", "log": "4"}) == ["--b", "2", "--out", "3"]


def test_inputs_that_only_show_that_a_folder_is_complete_are_left_out() -> None:
    assert words(options(), {"base": "models", "complete": "metrics.json"}, {"out": "d"}) == [
        *("--base", "models"),
        *("--out", "d"),
    ]


def test_an_option_without_files_has_no_values() -> None:
    assert words(options(), {"weak": []}, {}) == ["--weak"]


def test_folded_inputs_are_patterns_for_exactly_their_files() -> None:
    option, *patterns = words(options(folded=["rates"]), {"rates": GRID, "base": GRID[:2]}, {})
    assert option == "--rates"
    end = patterns.index("--base")
    assert patterns[end + 1 :] == GRID[:2]
    assert len(patterns[:end]) == 1
    assert unfold(patterns[:end]) == sorted(map(Path, GRID))


def test_extra_paths_follow_the_files() -> None:
    write = options("out", start=lambda given: f"models/{given.base}", parts=lambda given: [given.base, given.task])
    assert words(write, {}, {"out": "d"}) == [
        *("--out", "d"),
        *("--start", "models/nano"),
        *("--parts", "nano", "reviews"),
    ]


@pytest.mark.parametrize("path", ["my data/a.csv", "it's.csv", "a b/{c,d}'\"e.csv", "$HOME/`x`;y", "*.csv"])
def test_every_path_is_quoted_for_the_shell(path: str) -> None:
    write = options(model_folder=lambda _: path)
    assert words(write, {"one": path, "many": [path, "plain"]}, {"out": path}) == [
        *("--one", path),
        *("--many", path, "plain"),
        *("--out", path),
        *("--model-folder", path),
    ]


# Parameters of a rule


def job(wildcards: Any) -> str:
    return str(wildcards.base)


def test_a_spec_has_the_script_the_job_and_the_digest_of_the_code() -> None:
    given = spec("score.py", job)
    assert (given["script"], given["job"]) == ("score.py", job)
    assert given["code"](wildcards()) == code_digest("score.py")


def test_a_script_that_makes_several_things_gets_the_name_of_one() -> None:
    assert spec("table.py", job, name="rebound")["script"] == "table.py rebound"


TABLES = "elasticity.analysis.tables"


def test_the_digest_includes_the_modules_that_the_script_imports_by_name() -> None:
    def digest(modules: Any, where: SimpleNamespace) -> str:
        return str(spec("table.py", job, modules)["code"](where))

    one, other = f"{TABLES}.rebound", f"{TABLES}.theory"
    where = wildcards()
    assert digest([one], where) == code_digest("table.py", one)
    assert len({digest(modules, where) for modules in ((), [one], [other], [one, other])}) == 4
    assert digest(lambda _: one, where) == digest(lambda _: [one], where) == digest([one], where)


def test_the_modules_may_depend_on_the_wildcards() -> None:
    code = spec("table.py", job, lambda given: f"{TABLES}.{given.name}")["code"]
    assert code(wildcards(name="rebound")) == code_digest("table.py", f"{TABLES}.rebound")
    assert code(wildcards(name="theory")) == code_digest("table.py", f"{TABLES}.theory")


# Names and templates


def test_an_expression_of_names_matches_these_names_only() -> None:
    assert [name for name in ("a.b", "axb", "c", "") if re.fullmatch(either(["a.b", "c"]), name)] == ["a.b", "c"]
    assert not re.fullmatch(either([]), "")


def test_templates_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Path(template("page.html.jinja")).is_file()
