"""The table of measures of an experiment: one row for each measure, base model, size P or pair, and seed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elasticity.analysis.aggregation import t_interval
from elasticity.analysis.jobs import MeasuresJob
from elasticity.analysis.measures.inputs import Curves, Directions, Floats, rebound_bounds
from elasticity.analysis.table import Shown, Table, read_csv, write_csv
from elasticity.config.measures import Outcome, computed, values_of

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.runtime.command import Command

ALL_PAIRS = "all"
"""The value of column ``pair`` for the mean over the pairs of slices."""


COLUMNS = ["base", "seed", "alignment_size", "pair", "measure", "value", "low", "high"]


GROUP = ["measure", "base", "alignment_size", "pair"]
"""The columns in which the rows of several seeds are equal."""


def rebound_measures(
    per_seed: "pd.DataFrame", base_values: "pd.Series[float]", outcome: Outcome = "score"
) -> "pd.DataFrame":
    """All measures of a rebound experiment, from the outcome of each cell and seed and that of each base model.

    ``per_seed`` has a column named like the outcome. ``base_values`` has base models as index, or base models and
    seeds. Scores are oriented so that the direction of the alignment stage is up, as leans are.
    """
    import pandas as pd

    parts = [
        _measures_of_base(str(base), rows, np.reshape(base_values[base], (-1, 1)), outcome)
        for base, rows in per_seed.groupby("base")
    ]
    return in_columns(pd.concat(parts))


def _measures_of_base(base: str, rows: "pd.DataFrame", base_value: Floats, outcome: Outcome) -> "pd.DataFrame":
    """The measures of one base model, of which ``base_value`` has one value for all seeds or for each, shape (…, 1)."""
    import pandas as pd

    sign = -1 if outcome == "score" and (rows["alignment_side"] == "negative").all() else 1
    seeds, firsts, seconds = (sorted(rows[name].unique()) for name in ("seed", "alignment_size", "inverse_size"))
    wide = rows.set_index(["seed", "alignment_size", "inverse_size"])[outcome].unstack()
    cells = wide.reindex(pd.MultiIndex.from_product([seeds, firsts]))
    scores = sign * cells.to_numpy(dtype=float).reshape(len(seeds), len(firsts), len(seconds))
    curves = Curves(np.array(seconds), scores, sign * base_value, np.array(firsts))
    parts = []
    for measure, (low, high) in rebound_bounds(curves, outcome).items():
        sizes = firsts if low.ndim == 2 else [pd.NA]
        part = pd.DataFrame([(seed, size) for seed in seeds for size in sizes], columns=["seed", "alignment_size"])
        parts.append(part.assign(measure=measure, low=low.ravel(), high=high.ravel()))
    return pd.concat(parts).assign(base=base)


def resistance_measures(per_seed: "pd.DataFrame") -> "pd.DataFrame":
    """All measures of a resistance experiment for each base, seed and pair of slices, and their means over pairs.

    ``per_seed`` is the table of a resistance experiment with one row per seed, pair and direction.
    """
    import pandas as pd

    keys = ["base", "seed", "pair"]
    columns = [str(name) for name in per_seed.select_dtypes("number") if name not in ("seed", "start", "target")]
    wide = per_seed.pivot(index=keys, columns="direction", values=columns)
    forward, inverse = ({name: wide[name][side].to_numpy() for name in columns} for side in ("forward", "inverse"))
    parts = []
    for measure in computed("resistance"):
        low, high = values_of(measure, Directions(forward, inverse))
        pairs = wide.index.to_frame(index=False).assign(low=low, high=high)
        means = pairs.groupby(["base", "seed"])[["low", "high"]].mean(skipna=False)
        all_pairs = means.reset_index().assign(pair=ALL_PAIRS)
        parts.append(pd.concat([pairs, all_pairs]).assign(measure=measure.name))
    return in_columns(pd.concat(parts))


def in_columns(table: "pd.DataFrame") -> "pd.DataFrame":
    """The rows in the columns of a measures table; ``value`` is ``low``, or ``high`` where ``low`` is not finite."""
    value = table["low"].where(np.isfinite(table["low"]), table["high"])
    return table.assign(value=value).reindex(columns=COLUMNS).astype({"alignment_size": "Int64", "seed": int})


def in_order(table: "pd.DataFrame", bases: Sequence[str]) -> "pd.DataFrame":
    """The table sorted by measure, base, P or pair, and seed; ``bases`` gives the order of the base models."""
    import pandas as pd

    measures = [measure.name for measure in (*computed("rebound"), *computed("resistance"))]
    orders = {"measure": measures, "base": list(bases)}
    keys = {name: pd.Categorical(table[name], order) for name, order in orders.items()}
    table = table.assign(**keys).sort_values([*GROUP, "seed"], na_position="first", ignore_index=True)
    return table.astype(dict.fromkeys(orders, str))


def measures_summary(table: "pd.DataFrame") -> "pd.DataFrame":
    """One row for each measure, base, P and pair, over all seeds, in the order of the measures table.

    ``seeds`` counts the seeds with a value. For ``at_least`` and ``at_most`` of these only one bound is known; if there
    are any, the mean and its 95 % t interval (``mean_low``, ``mean_high``) are missing, because they would be those of
    the bounds. ``missing`` counts the seeds for which the measure could not be computed.
    """
    import pandas as pd

    rows = []
    for key, group in table.groupby(GROUP, sort=False, dropna=False):
        found = group.dropna(subset="value")
        at_least, at_most = int(np.isinf(found["high"]).sum()), int(np.isinf(found["low"]).sum())
        row: dict[str, Any] = dict(zip(GROUP, key, strict=True))
        row |= {"seeds": len(found), "at_least": at_least, "at_most": at_most, "missing": len(group) - len(found)}
        whole = len(found) > 0 and not at_least and not at_most
        means = t_interval(found["value"].to_numpy()) if whole else (np.nan,) * 3
        row |= dict(zip(("mean", "mean_low", "mean_high"), means, strict=True))
        rows.append(row | {"least": found["value"].min(), "most": found["value"].max()})
    return pd.DataFrame(rows).astype({"alignment_size": "Int64"})


def read_measures(path: Path) -> "pd.DataFrame":
    """Read a measures table."""
    return typed(read_csv(path))


def typed(table: "pd.DataFrame") -> "pd.DataFrame":
    """A measures table as ``read_csv`` reads it, with the types of columns that may be empty."""
    return table.astype({"alignment_size": "Int64", "pair": "object"})


def make(command: "Command[MeasuresJob]") -> None:
    """Write the table of an experiment, or of a rebound and a resistance experiment that share a name."""
    import pandas as pd

    parts = []
    if command.paths("rebound-seeds"):
        base_scores = read_csv(command.path("rebound-table")).groupby("base")["base_score"].first()
        parts.append(rebound_measures(read_csv(command.path("rebound-seeds")), base_scores))
    if command.paths("lean-seeds"):
        leans = read_csv(command.path("lean-seeds"))
        parts.append(rebound_measures(leans, leans.groupby(["base", "seed"])["base_lean"].first(), "lean"))
    if command.paths("resistance-seeds"):
        parts.append(resistance_measures(read_csv(command.path("resistance-seeds"))))
    write_csv(in_order(pd.concat(parts), command.job.bases), command.path("table"))


TABLE = Table(
    job=MeasuresJob,
    of="experiment",
    optional=("rebound-seeds", "rebound-table", "lean-seeds", "resistance-seeds"),
    outputs={"table": "measures-{experiment}.csv"},
    make=make,
    chapter="Measures",
    shown={
        "table": Shown(
            label="table",
            caption="""
Every measure of the experiment for each base model, P (``alignment_size``) or ``pair`` of slices, and training seed:
the numbers that claims are tested with. ``value`` lies between ``low`` and ``high``, which are equal unless only a
bound is known: an infinite ``high`` means at least, an infinite ``low`` at most. An empty ``value`` could not be
computed. The measures are explained at the figure, which also shows means and intervals over seeds.
""",
        )
    },
)
