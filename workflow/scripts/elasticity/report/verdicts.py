"""The verdicts for reading: one row a claim, the numbers as intervals, and what was claimed when training ran."""

from collections.abc import Mapping
from functools import partial
from html import escape
from typing import Any

import pandas as pd

from elasticity.analysis.verdict_reasons import over, sentence, with_bounds
from elasticity.config.claims import UNITS

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


def _intervals(table: pd.DataFrame, *columns: str) -> "pd.Series[str]":
    return table[[*columns]].apply(lambda row: with_bounds(*row), axis=1)


def _claimed(row: Any) -> str:
    sign = {"greater": ">", "less": "<"}[row.direction]
    return f"{row.measure} of {row.experiment}{over(row.over)} {sign} {row.margin:g}, {row.role}"


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.2g}"


_escaped = partial(escape, quote=False)
