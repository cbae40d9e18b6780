"""The verdicts for reading: one row a claim, the numbers as intervals, and what was claimed when training ran."""

from collections.abc import Mapping
from functools import partial
from html import escape
from typing import Any

import pandas as pd

from elasticity.claims import UNITS
from elasticity.verdict_reasons import with_bounds

STYLE = """<style>
  th, td { text-align: left; vertical-align: top; }
  td:nth-child(2) { min-width: 10em; }
  td:nth-child(4) { min-width: 18em; }
</style>"""
"""Text reads from the left, and hypotheses and reasons get the room that they need."""


def verdict_page(table: pd.DataFrame, declared: Mapping[str, str | int]) -> str:
    """What goes onto a page: the table of verdicts, and what ``claims.declared`` found."""
    shown = pd.DataFrame(
        {
            "claim": table["claim"],
            "hypothesis": table["hypothesis"],
            "verdict": table["verdict"].map("<b>{}</b>".format),
            "why": table["reason"],
            "claimed": [_claimed(row) for row in table.itertuples()],
            "effect": _intervals(table, "effect", "low", "high") + " " + table["measure"].map(UNITS),
            "seeds": table["seeds"],
            "p, adjusted": table["p_adjusted"].map(_number),
            "p against, adjusted": table["p_against_adjusted"].map(_number),
            "p of sign flips": table["p_sign_flip"].map(_number),
            "effect over prompts": _intervals(table, "clustered_effect", "clustered_low", "clustered_high"),
        }
    )
    for column in ("claim", "hypothesis", "why", "claimed"):
        shown[column] = shown[column].map(_escaped)
    return f"{STYLE}\n<p>{_escaped(sentence(declared))}</p>\n{shown.to_html(index=False, border=0, escape=False)}"


def over(name: str) -> str:
    """What is compared, in words behind the measure; nothing where it is the measure itself."""
    return {
        "value": "",
        "sizes": ", largest P − smallest P",
        "bases": ", last base − first base",
        "control": ", less its control",
    }[name]


def sentence(declared: Mapping[str, str | int]) -> str:
    """Whether the claims were there before training, and the same."""
    jobs, others = int(declared["training_jobs"]), int(declared["under_other_claims"])
    digest = str(declared["claims"])[:12]
    if others == 0:
        return f"All {jobs} training jobs that these claims rest on ran under these very claims (digest {digest})."
    return (
        f"{others} of the {jobs} training jobs that these claims rest on ran under other claims: these (digest "
        f"{digest}) were declared, or changed, after they had run."
    )


def _intervals(table: pd.DataFrame, *columns: str) -> "pd.Series[str]":
    return table[[*columns]].apply(lambda row: with_bounds(*row), axis=1)


def _claimed(row: Any) -> str:
    sign = {"greater": ">", "less": "<"}[row.direction]
    return f"{row.measure} of {row.experiment}{over(row.over)} {sign} {row.margin:g}, {row.role}"


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.2g}"


_escaped = partial(escape, quote=False)
