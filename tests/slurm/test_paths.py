"""Shell commands in paths are not executed."""

from pathlib import Path

from tests.conftest import Project
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import SlurmProject, small_study

SPLITS = "results/tiny/made-up/splits"


def executed(folder: Path) -> list[Path]:
    return list(folder.rglob("executed*"))


def test_a_folder_with_spaces_quotes_and_commands_in_its_name(cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / 'my "own" $(touch executed-1) `touch executed-2`; touch executed-3'
    project = SlurmProject(Project.new(folder).folder, cluster)
    project.write_study(small_study())
    project.submit(f"{SPLITS}/positive.parquet")
    assert (folder / SPLITS / "positive.parquet").exists()
    assert [job.state for job in project.submissions()] == ["COMPLETED"]
    assert executed(tmp_path) == []


def test_a_target_with_a_command_in_it_is_refused(project: SlurmProject, tmp_path: Path) -> None:
    output = project.submit(f"{SPLITS}/$(touch executed-1).parquet", ok=False)
    assert "MissingRuleException" in output
    assert project.submissions() == []
    assert executed(tmp_path) == []
