"""The table of the equal-entropy control: entropies of the slices before and after prompts were chosen."""

from typing import TYPE_CHECKING

from elasticity.analysis.aggregation import over_seeds
from elasticity.analysis.jobs import ResistanceTableJob
from elasticity.analysis.table import Shown, Table, write_csv

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.runtime.command import Command

VALUES = [f"{value}_{when}" for when in ("before", "after") for value in ("first", "second", "gap", "mean_gap")]
"""The measured columns: the own entropies of the two slices in nats per token, the second less the first, and the mean
of that difference over prompts; for all prompts (``_before``) and for the chosen ones (``_after``)."""


def entropy_seeds(chosen: "pd.DataFrame") -> "pd.DataFrame":
    """The columns ``VALUES`` for each pair and kind of responses of one seed; ``chosen`` has schema ``CHOSEN``."""
    import pandas as pd

    rows = []
    for (first, second, responses), group in chosen.groupby(["first", "second", "responses"], sort=True):
        after = group[group["chosen"]]
        row = {
            "pair": f"{first}-{second}",
            "responses": responses,
            "prompts": len(group),
            "chosen": len(after),
        }
        for when, part in {"before": group, "after": after}.items():
            row |= {f"{name}_{when}": value for name, value in _entropies(part).items()}
        rows.append(row)
    return pd.DataFrame(rows)


def entropy_table(per_seed: "pd.DataFrame") -> "pd.DataFrame":
    """Means and intervals over seeds for each base, pair and kind of responses."""
    return over_seeds(per_seed, ["base", "pair", "responses", "prompts", "chosen"], VALUES)


def _entropies(rows: "pd.DataFrame") -> dict[str, float]:
    pooled = {name: float(rows[f"{name}_nats"].sum() / rows[f"{name}_tokens"].sum()) for name in ("first", "second")}
    gaps = rows["second_nats"] / rows["second_tokens"] - rows["first_nats"] / rows["first_tokens"]
    return pooled | {"gap": pooled["second"] - pooled["first"], "mean_gap": float(gaps.mean())}


def make(command: "Command[ResistanceTableJob]") -> None:
    """Write the tables of an experiment from the prompts that were chosen in each of its runs."""
    import pandas as pd

    from elasticity.core.tables import read_table
    from elasticity.evaluation.schemas import CHOSEN

    runs = zip(command.job.runs, command.paths("chosen"), strict=True)
    parts = [
        entropy_seeds(read_table(path, CHOSEN).to_pandas()).assign(base=base, seed=seed) for (base, seed), path in runs
    ]
    per_seed = pd.concat(parts)
    write_csv(per_seed, command.path("seeds"))
    write_csv(entropy_table(per_seed), command.path("table"))


TABLE = Table(
    job=ResistanceTableJob,
    of="resistance",
    inputs=("chosen",),
    outputs={"table": "entropies-{experiment}.csv", "seeds": "seeds/entropies-{experiment}.csv"},
    make=make,
    chapter="Resistance",
    shown={
        "table": Shown(
            label="entropies, table",
            beside=("seeds",),
            caption="""
The equal-entropy control. For each pair of slices, prompts were sorted by the nats per token of the second slice on its
own response less those of the first slice on its own, and the run of half of the prompts whose mean difference is
nearest 0 was kept. This was done for the twin data sets (``twins``), which slices are tuned on, and for the responses
that they are measured on (``questions``). Columns are the slices' own entropies in nats per token over all responses
(``first``, ``second``), their difference (``gap``), and the mean difference over prompts (``mean_gap``), which the
choice brings near 0; for all prompts (``_before``) and for the chosen ones (``_after``). Means over training seeds and
95 % t intervals. The control tunes on half as many examples as an experiment without it, so compare its directions with
one another, not with those of such an experiment. The file ``chosen.parquet`` in the folder of each seed has one row
per prompt.
""",
        )
    },
)
