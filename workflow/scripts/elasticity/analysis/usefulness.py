"""Usefulness of the answers beside their score: one value a cell and seed, then means and t intervals over seeds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from elasticity.analysis.aggregation import CELL, cells_of, in_order, over_seeds, whole
from elasticity.analysis.jobs import ReboundJudgeJob
from elasticity.evaluation.text_statistics import distinct, distinct_answers

VALUES = [
    "length",
    "finished",
    "distinct_1",
    "distinct_2",
    "distinct_answers",
    "repetition",
    "nats_per_token",
    "perplexity",
    "perplexity_ratio",
]
"""Columns of the tables: of all answers of a cell and seed together.

Mean length in tokens, share that the model ended itself, ``usefulness.distinct`` for words of one and two tokens,
``distinct_answers``, the mean of ``repetition`` over answers, and what the base model needs for the answers given their
prompts: nats per token, its exponential, and that over the same of the base model's own answers.
"""


FACTOR, REPEATED_MORE = 2.0, 0.1
"""Beyond these a cell's answers are too far from the base model's to take its score as it is: a factor, for
perplexity in either direction and downward for distinct-2, distinct answers and length; a difference, for repetition.
They are choices: the numbers stand beside every warning."""


def usefulness_seeds(answers: pd.DataFrame, job: ReboundJudgeJob) -> pd.DataFrame:
    """What ``VALUES`` names for each cell of an experiment and each seed.

    ``answers`` has schema ``USEFULNESS`` and may hold cells of other experiments; of each base model it holds the own
    answers, too.
    """
    base_nats = {str(base): _measures(group)["nats_per_token"] for base, group in _own(answers).groupby("base")}
    keys = [*CELL, "seed"]
    rows = []
    for key, group in cells_of(answers, job).groupby(keys, sort=True):
        cell, found = dict(zip(keys, key, strict=True)), _measures(group)
        ratio = np.exp(found["nats_per_token"] - base_nats[str(cell["base"])])
        rows.append(cell | found | {"perplexity_ratio": ratio})
    return whole(pd.DataFrame(rows))


def usefulness_table(per_seed: pd.DataFrame, answers: pd.DataFrame, job: ReboundJudgeJob) -> pd.DataFrame:
    """Mean and interval over seeds for each cell, the base model's values beside them, and a ``warning`` in words."""
    table = over_seeds(per_seed, CELL, VALUES)
    own = {base: _measures(group) | {"perplexity_ratio": 1.0} for base, group in _own(answers).groupby("base")}
    for value in VALUES:
        table[f"base_{value}"] = [own[base][value] for base in table["base"]]
    table["warning"] = [warning(row) for row in table.to_dict("records")]
    return in_order(table, job)


def warning(row: Mapping[Any, Any]) -> str:
    """How the answers of a cell are too far from the base model's (see ``FACTOR``); empty if they are not."""
    found = []
    if not 1 / FACTOR <= row["perplexity_ratio"] <= FACTOR and not np.isnan(row["perplexity_ratio"]):
        found.append(f"perplexity x{row['perplexity_ratio']:.2g}")
    if row["repetition"] > row["base_repetition"] + REPEATED_MORE:
        found.append(f"repetition +{row['repetition'] - row['base_repetition']:.2g}")
    for value, name in {"distinct_2": "distinct-2", "distinct_answers": "distinct answers", "length": "length"}.items():
        if row[value] < row[f"base_{value}"] / FACTOR:
            found.append(f"{name} x{row[value] / row[f'base_{value}']:.2g}")
    return ", ".join(found)


def beside_scores(scores: pd.DataFrame, usefulness: pd.DataFrame) -> pd.DataFrame:
    """The table of scores with what warns of broken text, from a table of ``usefulness_table`` on the same cells."""
    return scores.merge(usefulness[[*CELL, "perplexity_ratio", "repetition", "warning"]], on=CELL, how="left")


def _own(answers: pd.DataFrame) -> pd.DataFrame:
    """The answers of the base models themselves."""
    return answers[answers["first_side"].isna()]


def _measures(answers: pd.DataFrame) -> dict[str, float]:
    """Of the answers of one model: what ``VALUES`` names, but for the ratio."""
    tokens = answers["answer_tokens"].tolist()
    nats = answers["base_nats"].sum() / answers["coded_tokens"].sum()
    return {
        "length": float(np.mean([len(answer) for answer in tokens])),
        "finished": float(answers["finished"].mean()),
        "distinct_1": distinct(tokens, 1),
        "distinct_2": distinct(tokens, 2),
        "distinct_answers": distinct_answers(tokens),
        "repetition": float(answers["repetition"].mean()),
        "nats_per_token": nats,
        "perplexity": float(np.exp(nats)),
    }
