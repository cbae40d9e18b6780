"""The table of a resistance experiment: forward against inverse fine-tuning for each pair of slices."""

from typing import TYPE_CHECKING

import numpy as np

from elasticity.analysis.aggregation import over_seeds
from elasticity.analysis.jobs import ResistanceTableJob
from elasticity.analysis.table import Shown, Table, write_csv

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.runtime.command import Command

VALUES = ["training_loss", "cross_entropy", "own_entropy", "kl", "kl_before", "kl_exact", "closed", "texts", "tokens"]
"""The measured columns: nats per token, except for the last three."""


def resistance_seeds(lengths: "pd.DataFrame") -> "pd.DataFrame":
    """Nats per token for each path of one seed: H(target, tuned), the target's own H(target), and KL(target || tuned).

    ``kl_before`` is KL(target || start), before tuning, and ``closed`` the share of it that tuning takes away: below 0
    if the tuned slice is farther from its target than it was. ``lengths`` has schema ``CROSS_ENTROPIES``. ``kl`` is
    H(target, tuned) - H(target): an estimate of the divergence if the responses were drawn from the target without
    truncation, at temperature 1, and no divergence otherwise. ``kl_exact`` compares the distributions of the next token
    at each place of the responses, however these were drawn.
    """
    import pandas as pd

    columns = ["tokens", "tuned_nats", "target_nats", "kl_nats"]
    tuned = lengths[lengths["examples"] > 0]
    sums, before = (part.groupby(["start", "target"], sort=True)[columns].sum() for part in (tuned, _start(lengths)))
    table = pd.DataFrame(
        {
            "cross_entropy": sums["tuned_nats"] / sums["tokens"],
            "own_entropy": sums["target_nats"] / sums["tokens"],
            "kl": (sums["tuned_nats"] - sums["target_nats"]) / sums["tokens"],
            "kl_before": before["kl_nats"] / before["tokens"],
            "kl_exact": sums["kl_nats"] / sums["tokens"],
        }
    ).reset_index()
    table.insert(0, "pair", [f"{min(p)}-{max(p)}" for p in zip(table["start"], table["target"], strict=True)])
    table["closed"] = 1 - table["kl_exact"] / table["kl_before"]
    table.insert(1, "direction", np.where(table["start"] < table["target"], "forward", "inverse"))
    return table


def _start(lengths: "pd.DataFrame") -> "pd.DataFrame":
    """The rows of slices before tuning."""
    return lengths[lengths["examples"] == 0]


def distinctness(twins: "pd.DataFrame") -> "pd.DataFrame":
    """The share of distinct texts (``texts``) and the number of distinct tokens (``tokens``) of each slice's responses.

    ``twins`` has schema ``SLICE_RESPONSES``; the result has the slices as index. Texts without spread teach a model no
    distribution: at a low temperature small models write the same few.
    """
    import pandas as pd

    slices = twins.groupby("slice")
    texts = slices["response"].nunique() / slices.size()
    tokens = twins.explode("response_tokens").groupby("slice")["response_tokens"].nunique()
    return pd.DataFrame({"texts": texts, "tokens": tokens})


def training_loss(losses: "pd.DataFrame") -> float:
    """Mean loss of a run in nats per target token, where each batch has the loss before the update on it.

    ``losses`` has schema ``LOSSES``.
    """
    return float(np.average(losses["loss"], weights=losses["tokens"]))


def resistance_table(per_seed: "pd.DataFrame") -> "pd.DataFrame":
    """Means and intervals over seeds for each base, pair and direction, and for forward minus inverse."""
    import pandas as pd

    keys = ["base", "pair", "direction"]
    wide = per_seed.pivot(index=["base", "pair", "seed"], columns="direction", values=VALUES)
    differences = pd.DataFrame({value: wide[value]["forward"] - wide[value]["inverse"] for value in VALUES})
    differences = differences.reset_index().assign(direction="forward - inverse")
    return over_seeds(pd.concat([per_seed[[*keys, "seed", *VALUES]], differences]), keys, VALUES)


def make(command: "Command[ResistanceTableJob]") -> None:
    """Write the tables of an experiment from its cross-entropies and the losses of its tuning runs."""
    import pandas as pd

    from elasticity.core.tables import read_table, read_tables
    from elasticity.evaluation.schemas import CROSS_ENTROPIES, SLICE_RESPONSES
    from elasticity.training.schemas import LOSSES

    paths = command.job.paths
    files = iter(zip(command.paths("cross-entropies"), command.paths("losses"), strict=True))
    parts, twins = [], iter(command.paths("twins"))
    for base, seed in command.job.runs:
        found = [next(files) for _ in paths]
        part = resistance_seeds(read_tables([lengths for lengths, _ in found], CROSS_ENTROPIES).to_pandas())
        trained = {
            path: training_loss(read_table(losses, LOSSES).to_pandas())
            for path, (_, losses) in zip(paths, found, strict=True)
        }
        part["training_loss"] = [trained[pair] for pair in zip(part["start"], part["target"], strict=True)]
        own = distinctness(read_table(next(twins), SLICE_RESPONSES).to_pandas()).loc[part["target"]]
        parts.append(part.assign(base=base, seed=seed, texts=own["texts"].to_numpy(), tokens=own["tokens"].to_numpy()))
    per_seed = pd.concat(parts)
    write_csv(per_seed, command.path("seeds"))
    write_csv(resistance_table(per_seed), command.path("table"))


TABLE = Table(
    job=ResistanceTableJob,
    of="resistance",
    inputs=("cross-entropies", "losses", "twins"),
    outputs={"table": "resistance-{experiment}.csv", "seeds": "seeds/resistance-{experiment}.csv"},
    make=make,
    chapter="Resistance",
    shown={
        "table": Shown(
            label="table",
            beside=("seeds",),
            caption="""
The numbers of the figure, in nats per token, with the bounds of 95 % t intervals over seeds. Rows ``forward - inverse``
hold the difference within each seed: a difference above zero is what the paper calls resistance. ``kl`` is H − H(p),
and ``kl_exact`` the divergence of the distributions of the next token over the whole vocabulary, at each place of the
responses; ``kl_before`` is the same before tuning, and ``closed`` the share of it that tuning took away. Where it is
below 0, tuning led away from the target, and the gap says nothing about resistance. ``texts`` is the share of distinct
texts among those that were tuned on, ``tokens`` the number of distinct tokens in them. The code lengths of single
prompts are in ``tuned/k-l/cross-entropies.parquet`` in the folder of each seed.
""",
        )
    },
)
