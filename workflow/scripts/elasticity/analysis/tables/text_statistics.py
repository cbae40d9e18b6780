"""The table of text statistics: whether a score was reached with broken text."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from elasticity.analysis.aggregation import CELL, cells_of, in_order, over_seeds, whole
from elasticity.analysis.jobs import ReboundTableJob
from elasticity.analysis.table import Shown, Table, write_csv

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.runtime.command import Command

VALUES = [
    "length",
    "finished",
    "distinct_1",
    "distinct_2",
    "distinct_responses",
    "repetition",
    "nats_per_token",
    "perplexity",
    "perplexity_ratio",
]
"""The measured columns, computed over all responses of a cell and seed.

They are the mean length in tokens, the share of responses that the model ended itself, ``distinct`` for n-grams of one
and two tokens, ``distinct_responses``, the mean of ``repetition`` over responses, the nats per token of the responses
under the base model given their prompts, its exponential, and the ratio of that to the base model's own responses.
"""


FACTOR, REPEATED_MORE = 2.0, 0.1
"""The limits beyond which responses are so far from the base model's that a warning is given beside their score.

``FACTOR`` is the limit of the perplexity ratio in either direction, and of distinct-2, distinct responses and length
downward; ``REPEATED_MORE`` is the limit of the difference in repetition. They are choices: the numbers stand beside
every warning.
"""


def text_statistics_seeds(responses: "pd.DataFrame", job: ReboundTableJob) -> "pd.DataFrame":
    """The columns ``VALUES`` for each cell of an experiment and each seed.

    ``responses`` has schema ``TEXT_STATISTICS`` and may hold cells of other experiments. It must hold the responses of
    each base model, too.
    """
    import pandas as pd

    base_nats = {str(base): _measures(group)["nats_per_token"] for base, group in _own(responses).groupby("base")}
    keys = [*CELL, "seed"]
    rows = []
    for key, group in cells_of(responses, job).groupby(keys, sort=True):
        cell, found = dict(zip(keys, key, strict=True)), _measures(group)
        ratio = np.exp(found["nats_per_token"] - base_nats[str(cell["base"])])
        rows.append(cell | found | {"perplexity_ratio": ratio})
    return whole(pd.DataFrame(rows))


def text_statistics_table(per_seed: "pd.DataFrame", responses: "pd.DataFrame", job: ReboundTableJob) -> "pd.DataFrame":
    """Mean and interval over seeds for each cell, the base model's values beside them, and a ``warning`` in words."""
    table = over_seeds(per_seed, CELL, VALUES)
    own = {base: _measures(group) | {"perplexity_ratio": 1.0} for base, group in _own(responses).groupby("base")}
    for value in VALUES:
        table[f"base_{value}"] = [own[base][value] for base in table["base"]]
    table["warning"] = [warning(row) for row in table.to_dict("records")]
    return in_order(table, job)


def warning(row: Mapping[Any, Any]) -> str:
    """What about the responses of a cell is too far from the base model's (see ``FACTOR``); empty if nothing is."""
    found = []
    if not 1 / FACTOR <= row["perplexity_ratio"] <= FACTOR and not np.isnan(row["perplexity_ratio"]):
        found.append(f"perplexity x{row['perplexity_ratio']:.2g}")
    if row["repetition"] > row["base_repetition"] + REPEATED_MORE:
        found.append(f"repetition +{row['repetition'] - row['base_repetition']:.2g}")
    for value, name in {
        "distinct_2": "distinct-2",
        "distinct_responses": "distinct responses",
        "length": "length",
    }.items():
        if row[value] < row[f"base_{value}"] / FACTOR:
            found.append(f"{name} x{row[value] / row[f'base_{value}']:.2g}")
    return ", ".join(found)


def _own(responses: "pd.DataFrame") -> "pd.DataFrame":
    """The responses of the base models."""
    return responses[responses["alignment_side"].isna()]


def _measures(responses: "pd.DataFrame") -> dict[str, float]:
    """The columns ``VALUES`` of the responses of one model, except the perplexity ratio."""
    from elasticity.evaluation.text_statistics import distinct, distinct_responses

    tokens = responses["response_tokens"].tolist()
    nats = responses["base_nats"].sum() / responses["coded_tokens"].sum()
    return {
        "length": float(np.mean([len(response) for response in tokens])),
        "finished": float(responses["finished"].mean()),
        "distinct_1": distinct(tokens, 1),
        "distinct_2": distinct(tokens, 2),
        "distinct_responses": distinct_responses(tokens),
        "repetition": float(responses["repetition"].mean()),
        "nats_per_token": nats,
        "perplexity": float(np.exp(nats)),
    }


def make(command: "Command[ReboundTableJob]") -> None:
    """Write the tables of an experiment from what was measured of the responses of its base models and cells."""
    from elasticity.core.path_patterns import unfold
    from elasticity.core.tables import read_tables
    from elasticity.evaluation.schemas import TEXT_STATISTICS

    responses = read_tables(unfold(command.paths("text-statistics")), TEXT_STATISTICS).to_pandas()
    per_seed = text_statistics_seeds(responses, command.job)
    write_csv(per_seed, command.path("seeds"))
    write_csv(text_statistics_table(per_seed, responses, command.job), command.path("table"))


TABLE = Table(
    job=ReboundTableJob,
    of="rebound",
    inputs=("text-statistics",),
    outputs={"table": "text-statistics-{experiment}.csv", "seeds": "seeds/text-statistics-{experiment}.csv"},
    make=make,
    chapter="Text statistics",
    shown={
        "table": Shown(
            label="table",
            beside=("seeds",),
            caption="""
The numbers of the figure for each base model, P (``alignment_size``) and N (``inverse_size``): means over training
seeds and the bounds of 95 % t intervals over them, with those of the base model's own responses beside them
(``base_...``). ``perplexity_ratio`` is the perplexity of a cell's responses under the base model over that of the base
model's own. ``warning`` names what is far from the base model's responses: perplexity by a factor of two in either
direction, distinct-2, different responses or length by half, or a tenth more of repeated 3-grams; these limits are
choices. The same warning stands beside the scores, in ``tables/rebound-{{ experiment }}.csv``. The file
``tables/seeds/text-statistics-{{ experiment }}.csv`` has one row per seed, and the files ``text-statistics.parquet``
have one row per response.
""",
        )
    },
)
