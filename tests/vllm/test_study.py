"""A whole study with ``engine: vllm``, run by Snakemake in the environment of vLLM."""

from pathlib import Path

import pytest

from elasticity.core.tables import read_rows
from elasticity.evaluation.schemas import RESPONSES
from tests.conftest import Project, tiny_study

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")

pytestmark = pytest.mark.slow


def test_a_study_draws_all_its_responses_with_vllm(tmp_path: Path) -> None:
    study = tiny_study() | {"engine": "vllm", "seeds": [1], "claims": {}}
    study["models"]["nano"] |= {"hidden_size": 64, "heads": 2}  # heads of 32 dimensions
    study["rebound"] = {"existence": study["rebound"]["existence"] | {"alignment_sizes": [8], "inverse_sizes": [0, 4]}}
    project = Project.new(tmp_path)
    project.write_study(study)
    project.snakemake()

    results = tmp_path / "results/tiny"
    assert (results / "report.html").is_file()
    drawn = sorted(results.rglob("responses.parquet"))
    of_rebound = [path for path in drawn if "rebound" in path.parts]
    assert len(of_rebound) > 1
    for path in of_rebound:
        rows = read_rows(path, RESPONSES)
        assert all(len(row["response_tokens"]) == 6 or row["stop_token"] is not None for row in rows)
    logs = [log.read_text() for log in (results / "logs").rglob("*.log")]
    assert sum("Initializing a V1 LLM engine" in log for log in logs) >= len(of_rebound)
