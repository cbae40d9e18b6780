"""The tables of the equal-entropy control: own entropies of the slices before and after prompts were chosen."""

import pandas as pd

from elasticity.analysis.aggregation import entropy_seeds, entropy_table
from elasticity.analysis.jobs import ResistanceTableJob
from elasticity.analysis.tables import write_csv, write_table
from elasticity.core.tables import read_table
from elasticity.evaluation.schemas import CHOSEN
from elasticity.runtime.command import Command

with Command(__doc__, ResistanceTableJob, "chosen", "seeds", "html", output="table") as command:
    runs = zip(command.job.runs, command.paths("chosen"), strict=True)
    parts = [
        entropy_seeds(read_table(path, CHOSEN).to_pandas()).assign(base=base, seed=seed) for (base, seed), path in runs
    ]
    per_seed = pd.concat(parts)
    write_csv(per_seed, command.path("seeds"))
    write_table(entropy_table(per_seed), command.path("table"), command.path("html"))
