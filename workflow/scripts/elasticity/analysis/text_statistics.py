"""Text statistics of the responses beside their score: one value a cell and seed, then means and t intervals over seeds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from elasticity.analysis.aggregation import CELL, cells_of, in_order, over_seeds, whole
from elasticity.analysis.jobs import ReboundTableJob
from elasticity.evaluation.text_statistics import distinct, distinct_responses

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
"""Columns of the tables: of all responses of a cell and seed together.

Mean length in tokens, share that the model ended itself, ``text_statistics.distinct`` for words of one and two tokens,
``distinct_responses``, the mean of ``repetition`` over responses, and what the base model needs for the responses given their
prompts: nats per token, its exponential, and that over the same of the base model's own responses.
"""


FACTOR, REPEATED_MORE = 2.0, 0.1
"""Beyond these a cell's responses are too far from the base model's to take its score as it is: a factor, for
perplexity in either direction and downward for distinct-2, distinct responses and length; a difference, for repetition.
They are choices: the numbers stand beside every warning."""


def text_statistics_seeds(responses: pd.DataFrame, job: ReboundTableJob) -> pd.DataFrame:
    """What ``VALUES`` names for each cell of an experiment and each seed.

    ``responses`` has schema ``TEXT_STATISTICS`` and may hold cells of other experiments; of each base model it holds the own
    responses, too.
    """
    base_nats = {str(base): _measures(group)["nats_per_token"] for base, group in _own(responses).groupby("base")}
    keys = [*CELL, "seed"]
    rows = []
    for key, group in cells_of(responses, job).groupby(keys, sort=True):
        cell, found = dict(zip(keys, key, strict=True)), _measures(group)
        ratio = np.exp(found["nats_per_token"] - base_nats[str(cell["base"])])
        rows.append(cell | found | {"perplexity_ratio": ratio})
    return whole(pd.DataFrame(rows))


def text_statistics_table(per_seed: pd.DataFrame, responses: pd.DataFrame, job: ReboundTableJob) -> pd.DataFrame:
    """Mean and interval over seeds for each cell, the base model's values beside them, and a ``warning`` in words."""
    table = over_seeds(per_seed, CELL, VALUES)
    own = {base: _measures(group) | {"perplexity_ratio": 1.0} for base, group in _own(responses).groupby("base")}
    for value in VALUES:
        table[f"base_{value}"] = [own[base][value] for base in table["base"]]
    table["warning"] = [warning(row) for row in table.to_dict("records")]
    return in_order(table, job)


def warning(row: Mapping[Any, Any]) -> str:
    """How the responses of a cell are too far from the base model's (see ``FACTOR``); empty if they are not."""
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


def beside_scores(scores: pd.DataFrame, text_statistics: pd.DataFrame) -> pd.DataFrame:
    """The table of scores with what warns of broken text, from a table of ``text_statistics_table`` on the same cells."""
    return scores.merge(text_statistics[[*CELL, "perplexity_ratio", "repetition", "warning"]], on=CELL, how="left")


def _own(responses: pd.DataFrame) -> pd.DataFrame:
    """The responses of the base models themselves."""
    return responses[responses["alignment_side"].isna()]


def _measures(responses: pd.DataFrame) -> dict[str, float]:
    """Of the responses of one model: what ``VALUES`` names, but for the ratio."""
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
