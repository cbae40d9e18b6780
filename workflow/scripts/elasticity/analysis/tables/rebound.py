"""The table of a rebound experiment: mean scores of the responses for each P and N."""

from typing import TYPE_CHECKING

from elasticity.analysis.aggregation import CELL, base_table, rebound_seeds, rebound_table
from elasticity.analysis.jobs import ReboundTableJob
from elasticity.analysis.table import Shown, Table, read_csv, write_csv

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.runtime.command import Command


def beside_scores(scores: "pd.DataFrame", text_statistics: "pd.DataFrame") -> "pd.DataFrame":
    """The table of scores with the columns of the table of text statistics that warn of broken text."""
    return scores.merge(text_statistics[[*CELL, "perplexity_ratio", "repetition", "warning"]], on=CELL, how="left")


def make(command: "Command[ReboundTableJob]") -> None:
    """Write the tables of an experiment from the scores of its task."""
    from elasticity.core.tables import read_table
    from elasticity.evaluation.schemas import SCORES

    scores = read_table(command.path("scores"), SCORES).to_pandas()
    per_seed = rebound_seeds(scores, command.job)
    write_csv(per_seed, command.path("seeds"))
    table = rebound_table(per_seed, command.job, "score")
    table = table.join(base_table(scores), on="base")
    for path in command.paths("text-statistics"):
        table = beside_scores(table, read_csv(path))
    write_csv(table, command.path("table"))


TABLE = Table(
    job=ReboundTableJob,
    of="rebound",
    inputs=("scores",),
    optional=("text-statistics",),
    outputs={"table": "rebound-{experiment}.csv", "seeds": "seeds/rebound-{experiment}.csv"},
    make=make,
    chapter="Rebound",
    shown={
        "table": Shown(
            label="scores, table",
            beside=("seeds",),
            caption="""
The numbers of the figure: for each base model, P (``alignment_size``) and N (``inverse_size``), the mean score over
seeds, the bounds of its 95 % t interval, the mean score of the base model over ``base_draws`` draws of its responses
with the bounds of a 95 % t interval over draws, and for both stages the examples that were trained (fewer than asked
for if the recipe drops an incomplete last batch) and the optimizer updates. Where text statistics were measured,
``perplexity_ratio``, ``repetition`` and ``warning`` show whether a score was reached with broken text (see *Text
statistics*). The file ``tables/seeds/rebound-{{ experiment }}.csv`` has one row per seed; its
``base_score`` is the mean of the draws that the seed is compared with, so that measures relative to the base model
carry the noise of its responses.
""",
        )
    },
)
