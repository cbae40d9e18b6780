"""The plan of a study as text."""

from pathlib import Path
from typing import Any

import pytest

from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.pipeline.planning.plan import plan, power_lines
from tests.conftest import expected


def test_a_study_without_gpus_is_estimated_for_the_default_gpu(values: dict[str, Any], given: int) -> None:
    assert "GPU hours are an estimate for A100: 30% of its 312.0 TFLOP/s" in plan(read_study(values))


def test_a_study_for_cpus_says_how_long_cores_train(values: dict[str, Any], given: int) -> None:
    assert "core hours" in plan(read_study(values))


def test_the_plan_says_what_each_claim_can_detect(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    claims = {
        "ends": expected("existence", "end", "greater") | {"margin": 0.05},
        "crosses": expected("existence", "crossing", "greater"),
    }
    seeds = {"start": 2, "step": 2, "at_most": 5}
    text = "\n".join(power_lines(read_study(values | {"claims": claims, "decide": seeds})))
    assert "with 80% power, with the noise between seeds of the default study (workflow/noise.csv)" in text
    assert "no margin" in text
    assert "Claims are tested after 2, 4, 5 seeds" in text
    one = "\n".join(power_lines(read_study(values | {"claims": claims, "seeds": [1]})))
    assert one.count(" nothing ") == len(claims)
    assert list(power_lines(read_study(values | {"claims": {}}))) == []
    with pytest.raises(UserError, match=r"results/other/tables/noise\.csv does not exist: run the study other first"):
        list(power_lines(read_study(values | {"claims": claims, "noise": "other"})))
