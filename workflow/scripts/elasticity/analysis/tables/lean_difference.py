"""The difference of the leans of two base models: before alignment, after it, and after the inverse stage."""

from typing import TYPE_CHECKING

from elasticity.analysis.aggregation import over_seeds
from elasticity.analysis.jobs import ReboundTableJob
from elasticity.analysis.table import Shown, Table, read_csv, write_csv

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.runtime.command import Command


def lean_difference(per_seed: "pd.DataFrame", job: ReboundTableJob) -> "pd.DataFrame":
    """The lean on the last base model minus that on the first, paired by seed: means and intervals over seeds.

    ``per_seed`` is the table of leans with one row per seed. A row without N is before the alignment stage.
    """
    import pandas as pd

    first, last = job.experiment.bases
    keys = ["alignment_size", "inverse_size"]
    wide = per_seed.pivot(index=[*keys, "seed"], columns="base", values=["lean", "base_lean"])
    differences = pd.DataFrame({name: wide[name][last] - wide[name][first] for name in ("lean", "base_lean")})
    after = differences["lean"].rename("difference").reset_index()
    before = differences["base_lean"].groupby(["alignment_size", "seed"]).first().rename("difference").reset_index()
    rows = pd.concat([before, after]).astype({"inverse_size": "Int64"})
    found = over_seeds(rows, keys, ["difference"])
    return found.sort_values(keys, na_position="first", kind="stable").astype({"inverse_size": "Int64"})


def make(command: "Command[ReboundTableJob]") -> None:
    """Write the table of an experiment with two base models from the table of the leans of each seed."""
    write_csv(lean_difference(read_csv(command.path("leans")), command.job), command.path("table"))


TABLE = Table(
    job=ReboundTableJob,
    of="rebound",
    inputs=("leans",),
    outputs={"table": "lean-difference-{experiment}.csv"},
    make=make,
    chapter="Rebound",
    shown={
        "table": Shown(
            label="difference of the leans of both base models, table",
            caption="""
The numbers of the figure: for each P (``alignment_size``), the lean on the last base model of the experiment minus that
on the first, in bits per byte: before the alignment stage (no ``inverse_size``), after it (0), and after N examples of
the inverse stage. Means of differences within seeds, and the bounds of their 95 % t intervals over seeds, each of which
has texts of its own.
""",
        )
    },
)
