"""The tables of a resistance experiment: one row a seed, pair and direction, and one row a pair and direction."""

import pandas as pd

from elasticity.analysis.aggregation import resistance_seeds, resistance_table, training_loss
from elasticity.analysis.jobs import ResistanceTableJob
from elasticity.analysis.tables import write_csv, write_table
from elasticity.core.tables import read_table
from elasticity.evaluation.schemas import CROSS_ENTROPIES
from elasticity.runtime.command import Command
from elasticity.training.schemas import LOSSES

with Command(__doc__, ResistanceTableJob, "cross-entropies", "losses", "seeds", "html", output="table") as command:
    losses = iter(command.paths("losses"))
    parts = []
    for (base, seed), path in zip(command.job.runs, command.paths("cross_entropies"), strict=True):
        part = resistance_seeds(read_table(path, CROSS_ENTROPIES).to_pandas())
        trained = {pair: training_loss(read_table(next(losses), LOSSES).to_pandas()) for pair in command.job.paths}
        part["training_loss"] = [trained[pair] for pair in zip(part["start"], part["target"], strict=True)]
        parts.append(part.assign(base=base, seed=seed))
    per_seed = pd.concat(parts)
    write_csv(per_seed, command.path("seeds"))
    write_table(resistance_table(per_seed), command.path("table"), command.path("html"))
