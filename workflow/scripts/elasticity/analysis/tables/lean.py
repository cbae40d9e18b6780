"""The table of leans: bits per byte of held-out text of the opposite side minus that of the side of alignment."""

from typing import TYPE_CHECKING

from elasticity.analysis.aggregation import CELL, bits_per_byte, cells_of, in_order, over_seeds, whole
from elasticity.analysis.jobs import ReboundTableJob
from elasticity.analysis.table import Shown, Table, write_csv
from elasticity.config.base import Opposed, opposite

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.runtime.command import Command


def leans_of(rows: "pd.DataFrame", keys: list[str], alignment_side: Opposed) -> "pd.DataFrame":
    """The lean of each group of code lengths, with the bits per byte of both sides; ``keys`` become the index.

    ``rows`` has the columns of schema ``LEAN`` that do not name a cell. The columns are ``lean``, ``own_side`` and
    ``other_side``.
    """
    import pandas as pd

    sums = rows.groupby([*keys, "side"], sort=True)[["nats", "utf8_bytes"]].sum()
    rates = bits_per_byte(sums).unstack("side")
    own, other = rates[alignment_side], rates[opposite(alignment_side)]
    return pd.DataFrame({"lean": other - own, "own_side": own, "other_side": other})


def lean_seeds(leans: "pd.DataFrame", base_leans: "pd.DataFrame", job: ReboundTableJob) -> "pd.DataFrame":
    """The lean of each cell of an experiment and each seed, and that of its base model on the same texts.

    ``leans`` and ``base_leans`` have schema ``LEAN``; the former may hold cells of other experiments, the latter holds
    each base model on the texts of all seeds. ``texts`` counts the texts of both sides.
    """
    cells, side = whole(cells_of(leans, job)), job.experiment.alignment_side
    found = leans_of(cells, [*CELL, "seed"], side)
    found["texts"] = cells.groupby([*CELL, "seed"]).size()
    of_seed = ["base", "seed"]
    texts = cells[[*of_seed, "side", "id"]].drop_duplicates()
    before = base_leans.drop(columns="seed").merge(texts, on=["base", "side", "id"])
    base_lean = leans_of(before, of_seed, side)["lean"].rename("base_lean")
    return found.reset_index().merge(base_lean.reset_index(), on=of_seed)


def lean_table(per_seed: "pd.DataFrame", job: ReboundTableJob) -> "pd.DataFrame":
    """The mean lean of each cell over seeds, the interval of its distance from the base model's, and that lean.

    ``per_seed`` is the result of ``lean_seeds``.
    """
    rows = per_seed.assign(moved=per_seed["lean"] - per_seed["base_lean"])
    table = over_seeds(rows, CELL, ["moved"])
    base_lean = rows.groupby(CELL, sort=True)["base_lean"].mean().to_numpy()
    for bound in ("", "_low", "_high"):
        table[f"lean{bound}"] = base_lean + table.pop(f"moved{bound}")
    table["base_lean"] = base_lean
    table["texts"] = rows.groupby(CELL, sort=True)["texts"].sum().to_numpy()
    return in_order(table, job)


def make(command: "Command[ReboundTableJob]") -> None:
    """Write the tables of an experiment from the code lengths of its runs and of its base models."""
    from elasticity.core.path_patterns import unfold
    from elasticity.core.tables import read_tables
    from elasticity.evaluation.schemas import LEAN

    leans = read_tables(unfold(command.paths("leans")), LEAN).to_pandas()
    base_leans = read_tables(command.paths("base-leans"), LEAN).to_pandas()
    per_seed = lean_seeds(leans, base_leans, command.job)
    write_csv(per_seed, command.path("seeds"))
    write_csv(lean_table(per_seed, command.job), command.path("table"))


TABLE = Table(
    job=ReboundTableJob,
    of="rebound",
    inputs=("leans", "base-leans"),
    outputs={"table": "lean-{experiment}.csv", "seeds": "seeds/lean-{experiment}.csv"},
    make=make,
    chapter="Rebound",
    shown={
        "table": Shown(
            label="the rebound in bits, table",
            beside=("seeds",),
            caption="""
The numbers of the figure: for each base model, P (``alignment_size``) and N (``inverse_size``), the mean lean over
seeds in bits per byte, and the mean lean of the base model on the same texts. ``lean_low`` and ``lean_high`` bound the
95 % t interval over seeds of the distance between the two. Each seed has texts of its own (``texts`` counts them all),
so the interval includes the error over texts. The examples and updates of both stages are those that were trained, also
where an effect is planted. The file ``tables/seeds/lean-{{ experiment }}.csv`` has one row per seed, with the bits per
byte of the side of the alignment stage (``own_side``) and of the opposite side (``other_side``).
""",
        )
    },
)
