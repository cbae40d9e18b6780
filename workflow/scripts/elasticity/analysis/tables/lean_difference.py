"""The difference of the leans of two base models: before alignment, after it, and after the inverse stage."""

from typing import TYPE_CHECKING

from elasticity.analysis.aggregation import over_seeds
from elasticity.analysis.jobs import ReboundTableJob
from elasticity.analysis.table import Shown, Table, read_csv, write_csv

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.runtime.command import Command


def lean_difference(per_seed: "pd.DataFrame", table: "pd.DataFrame", job: ReboundTableJob) -> "pd.DataFrame":
    """The lean on the last base model minus that on the first, paired by seed.

    ``per_seed`` and ``table`` are the tables of the leans. A row without N is before the alignment stage, where the
    models have no seed.
    """
    import pandas as pd

    first, last = job.experiment.bases
    keys = ["alignment_size", "inverse_size", "seed"]
    leans = per_seed.pivot(index=keys, columns="base", values="lean")
    paired = (leans[last] - leans[first]).rename("difference").reset_index()
    after = over_seeds(paired, keys[:2], ["difference"])
    models = table.groupby("base")["base_lean"].first()
    before = pd.DataFrame(
        {"alignment_size": job.experiment.alignment_sizes, "difference": models[last] - models[first]}
    )
    found = pd.concat([before, after]).astype({"inverse_size": "Int64", "seeds": "Int64"})
    found = found.sort_values(["alignment_size", "inverse_size"], na_position="first", kind="stable")
    return found[["alignment_size", "inverse_size", "seeds", "difference", "difference_low", "difference_high"]]


def make(command: "Command[ReboundTableJob]") -> None:
    """Write the table of an experiment with two base models from the tables of its leans."""
    per_seed, table = (read_csv(command.path(name)) for name in ("seeds-of-cells", "leans"))
    write_csv(lean_difference(per_seed, table, command.job), command.path("table"))


TABLE = Table(
    job=ReboundTableJob,
    of="rebound",
    inputs=("seeds-of-cells", "leans"),
    outputs={"table": "lean-difference-{experiment}.csv"},
    make=make,
    chapter="Rebound",
    shown={
        "table": Shown(
            label="difference of the leans of both base models, table",
            caption="""
The numbers of the figure: for each P (``alignment_size``), the lean on the last base model of the experiment minus that
on the first, in bits per byte: before the alignment stage (no ``inverse_size``), after it (0), and after N examples of
the inverse stage. Means of differences within seeds, and the bounds of their 95 % t intervals over seeds; before the
alignment stage there are no seeds.
""",
        )
    },
)
