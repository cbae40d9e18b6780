"""The table of leans: bits per byte of held-out text of the opposite side minus that of the side of alignment."""

from typing import TYPE_CHECKING

import numpy as np

from elasticity.analysis.aggregation import CELL, bits_per_byte, cells_of, in_order, t_interval, whole
from elasticity.analysis.jobs import ReboundTableJob
from elasticity.analysis.table import Shown, Table, write_csv
from elasticity.config.base import opposite

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.runtime.command import Command


def lean_seeds(leans: "pd.DataFrame", base_leans: "pd.DataFrame", job: ReboundTableJob) -> "pd.DataFrame":
    """The lean of each cell of an experiment and each seed beside its base model's, and the rates of both sides.

    ``leans`` and ``base_leans`` have schema ``LEAN``; the latter holds each base model once. Numbers are bits per byte.
    """
    own, other = job.experiment.alignment_side, opposite(job.experiment.alignment_side)

    def rates(rows: "pd.DataFrame", keys: list[str]) -> "pd.DataFrame":
        found = bits_per_byte(rows.groupby([*keys, "side"], sort=True)[["nats", "utf8_bytes"]].sum()).unstack("side")
        return found.assign(lean=found[other] - found[own])

    table = rates(cells_of(leans, job), [*CELL, "seed"]).reset_index()
    table["base_lean"] = table["base"].map(rates(base_leans, ["base"])["lean"])
    table = table.rename(columns={own: "own_side", other: "other_side"})
    return whole(table[[*CELL, "seed", "lean", "own_side", "other_side", "base_lean"]])


def text_values(texts: "pd.DataFrame", alignment_side: str) -> "pd.Series[float]":
    """A number for each row of one model, or of one cell with all its seeds, whose mean is the lean of its seed.

    ``texts`` has schema ``LEAN``. A lean is a difference of two ratios of sums, so the numbers are linearised: with γ
    the rate of the text's side over all seeds, B the bytes of all texts of that side, and n the number of texts of both
    sides, they are lean ± n (bits − γ bytes) / B (Cochran 1977, section 6.3). Their clustered variance is that of the
    lean. Numbers of two models on the same texts can be subtracted.
    """
    seeds = texts.groupby(["side", "id"])["id"].transform("size")
    bits = texts["nats"] / np.log(2)
    bytes_of = texts["utf8_bytes"]
    total = texts["side"].map((bytes_of / seeds).groupby(texts["side"]).sum())
    rate = texts["side"].map(bits.groupby(texts["side"]).sum() / bytes_of.groupby(texts["side"]).sum())
    sign = np.where(texts["side"] == alignment_side, -1.0, 1.0)
    count = (1 / seeds).sum()
    lean = rate[sign > 0].iloc[0] - rate[sign < 0].iloc[0]
    values: pd.Series[float] = lean + count * sign * (bits - rate * bytes_of) / total
    return values


def lean_table(leans: "pd.DataFrame", base_leans: "pd.DataFrame", job: ReboundTableJob) -> "pd.DataFrame":
    """The mean lean of each cell over seeds beside the base model's, with intervals; see the caption of the table.

    ``leans`` and ``base_leans`` have schema ``LEAN``; the latter holds each base model once.
    """
    import pandas as pd

    from elasticity.analysis.hypothesis_tests import clustered_difference

    side = job.experiment.alignment_side
    before = {str(base): rows.assign(value=text_values(rows, side)) for base, rows in base_leans.groupby("base")}
    rows = []
    for key, cell in cells_of(leans, job).groupby(CELL, sort=True):
        found = dict(zip(CELL, key, strict=True))
        base = before[str(found["base"])].set_index(["side", "id"])["value"]
        pairs = pd.MultiIndex.from_frame(cell[["side", "id"]])
        moved = text_values(cell, side).to_numpy() - base.reindex(pairs).to_numpy()
        names = cell["side"] + " " + cell["id"]
        frame = pd.DataFrame({"seed": cell["seed"].to_numpy(), "prompt_id": names.to_numpy(), "difference": moved})
        base_lean, base_low, base_high = t_interval(base.to_numpy())
        mean, low, high = (base_lean + change for change in clustered_difference(frame))
        found |= {
            "seeds": frame["seed"].nunique(),
            "texts": len(base),
            "lean": mean,
            "lean_low": low,
            "lean_high": high,
        }
        rows.append(found | {"base_lean": base_lean, "base_lean_low": base_low, "base_lean_high": base_high})
    return in_order(pd.DataFrame(rows), job)


def make(command: "Command[ReboundTableJob]") -> None:
    """Write the tables of an experiment from the code lengths of its runs and of its base models."""
    from elasticity.core.path_patterns import unfold
    from elasticity.core.tables import read_tables
    from elasticity.evaluation.schemas import LEAN

    leans = read_tables(unfold(command.paths("leans")), LEAN).to_pandas()
    base_leans = read_tables(command.paths("base-leans"), LEAN).to_pandas()
    write_csv(lean_seeds(leans, base_leans, command.job), command.path("seeds"))
    write_csv(lean_table(leans, base_leans, command.job), command.path("table"))


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
seeds in bits per byte. ``lean_low`` and ``lean_high`` bound the 95 % interval of its distance from the base model's
lean, with errors clustered by seed and by text. ``base_lean_low`` and ``base_lean_high`` are the error over texts of
the base model's lean itself: it is common to all lines, because all models read the same ``texts``, and it is large,
because the texts of the two sides are different texts. The examples and updates of both stages are those that were
trained, also where an effect is planted. The file ``tables/seeds/lean-{{ experiment }}.csv`` has one row per seed, with
the bits per byte of the side of the alignment stage (``own_side``) and of the opposite side (``other_side``).
""",
        )
    },
)
