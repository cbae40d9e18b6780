"""Seeds that are added in rounds."""

import json
from pathlib import Path
from typing import Any

import pytest

from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.pipeline.running.added_seeds import add_seeds, seeds_file, undecided, with_added_seeds

DECIDE = {"decide": {"start": 2, "step": 2, "at_most": 5}}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_seeds_are_added_up_to_the_largest_number_and_are_found_again(values: dict[str, Any]) -> None:
    study = read_study(values | DECIDE)
    assert with_added_seeds(study) == study
    for seeds in ((1, 2, 3, 4), (1, 2, 3, 4, 5)):
        more = add_seeds(with_added_seeds(study))
        assert more is not None
        assert more.seeds == with_added_seeds(study).seeds == seeds
        assert read_study(json.loads(more.model_dump_json())).seeds == seeds  # a resolved study is a study
    assert add_seeds(with_added_seeds(study)) is None


def test_seeds_of_other_rounds_are_refused(values: dict[str, Any]) -> None:
    study = read_study(values | DECIDE)
    add_seeds(study)
    seeds_file(study).write_text("[1, 2, 3]")
    with pytest.raises(UserError, match=r"lists the seeds \[1, 2, 3\], which the study would not add: it begins with"):
        with_added_seeds(study)
    assert with_added_seeds(read_study(values)).seeds == (1, 2)  # a study that adds none has its own


def test_a_study_must_begin_with_the_first_round(values: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="the study has 2 seeds, but looks are planned after 3, 5"):
        read_study(values | {"decide": {"start": 3, "step": 2, "at_most": 5}})
    with pytest.raises(UserError, match="noise: tiny is this study"):
        read_study(values | {"noise": "tiny"})


def test_only_confirmatory_claims_have_to_be_decided(values: dict[str, Any]) -> None:
    study = read_study(values)
    table = Path("results/tiny/tables/verdicts.csv")
    table.parent.mkdir(parents=True)
    table.write_text(
        "claim,role,verdict,more_seeds\na,confirmatory,undecided,True\nb,confirmatory,not testable,False\n"
        "c,exploratory,undecided,True\nd,confirmatory,not testable,True\n"
    )
    assert undecided(study) == ["a", "d"]
