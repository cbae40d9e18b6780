"""A cluster with accounting: the states of jobs come from sacct, and jobs are charged to an account."""

from pathlib import Path

from tests.conftest import Project
from tests.slurm.cluster import Cluster
from tests.slurm.configuration import USER
from tests.slurm.conftest import SlurmProject, small_study


def test_every_setting_that_the_profile_leaves_open_takes_effect(
    accounting_cluster: Cluster, local: Project, tmp_path: Path
) -> None:
    cluster = accounting_cluster
    cluster.command("sacctmgr", "--immediate", "add", "account", "my-account")
    cluster.command("sacctmgr", "--immediate", "add", "user", USER, "account=my-account")
    project = SlurmProject(local.copy(tmp_path / "project").folder, cluster)
    profile = project.folder / "profiles/slurm/config.yaml"
    # The GPUs are fake, so that torch cannot compute on them.
    profile.write_text(profile.read_text().replace("#: ", "").replace("device: cuda", "device: cpu"))
    study = small_study()
    study["models"]["nano"]["updates"] += 1
    project.write_study(study)
    model, split = "results/tiny/models/nano/metrics.json", "results/tiny/made-up/splits/positive.parquet"
    (project.folder / split).unlink()
    project.submit("--slurm-status-command", "sacct", model, split)
    table = cluster.command("sacct", "-X", "--noheader", "--parsable2", "--format=State,Account,Partition,AllocTRES")
    rows = {tuple(row.split("|")[:3]): "gres/gpu=1" in row for row in table.splitlines()}
    assert rows == {("COMPLETED", "my-account", "cpu"): False, ("COMPLETED", "my-account", "gpu"): True}
