"""The forest plot of the verdicts: each claim with its seeds, its effect, its margin and its verdict."""

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from elasticity.config.claims import telling_p
from elasticity.config.measures import MEASURES
from elasticity.plots.figure import FigureJob, figure
from elasticity.plots.style import PAGE_IN, use_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

MARKERS = {"confirmed": "o", "refuted": "X", "undecided": "D"}


FILLED = ("confirmed", "refuted")


ROW_IN, PANEL_IN = 0.36, 0.62
"""Heights of a row and of the rest of a panel, in inches."""


EDGE = 0.06
"""Space beside the outermost number of a panel, as a share of its width."""


@figure(
    "verdicts",
    of="study",
    tables=("verdicts", "seeds/verdicts", "claims.json"),
    chapter="Verdicts",
    subject="all claims",
    label="figure",
    caption="""
**What is seen.** The claims of the study with their effects, a panel for each unit. Small dots are training seeds, the
marker is their mean, its line the 95 % t interval; it ends in an arrow where it has no end, because only a bound of
some numbers is known. The dashed line is the smallest effect that matters, and its triangle points to the claimed side.
Full circles are confirmed, crosses refuted, empty diamonds undecided. A claim without a marker is not testable: what
has to hold for the measurement does not, so that no test is made. A claim with several parts has a line for each, and
holds if all parts do.

**How it was computed.** The p-value is that of a one-sided t test for the claim (against it where it is refuted),
adjusted for all claims of its role; intervals are not adjusted, so an interval beyond 0 may come with an undecided
claim. Conversely, a one-sided test at 0.05 asks for less than a two-sided interval at 95 %, which may hold 0 for a
confirmed claim. The p-value is left out where the test may not decide. The table beside this figure has the reason for
each verdict.
""",
)
def forest(
    table: "pd.DataFrame", values: "pd.DataFrame", declared: Mapping[str, str | int], job: FigureJob
) -> "Figure":
    """A panel for each unit, a row for each claim or part of one; the columns are those of the tables of verdicts.

    Dots are seeds, a marker is their mean, its line the 95 % t interval, which ends in an arrow where it has no end.
    The short line is the smallest effect that matters, and its triangle points to the claimed side.
    """
    import seaborn as sns
    from matplotlib import pyplot as plt
    from matplotlib.lines import Line2D

    from elasticity.analysis.verdict_reasons import sentence

    use_style()
    palette = sns.color_palette("colorblind")
    colours = dict(zip(MARKERS, (palette[0], palette[3], "0.35"), strict=True))
    rows = table.merge(values[["claim", "part"]].drop_duplicates(), on="claim", sort=False)
    panels = [panel for _, panel in rows.groupby(rows["measure"].map(_unit), sort=False)]
    heights = [PANEL_IN + ROW_IN * len(panel) for panel in panels]
    figure, axes = plt.subplots(
        len(panels),
        1,
        figsize=(PAGE_IN, sum(heights) + 0.5),
        squeeze=False,
        height_ratios=heights,
        layout="constrained",
    )
    for axis, panel in zip(axes[:, 0], panels, strict=True):
        _panel(axis, panel.reset_index(drop=True), values, colours)
        axis.set_xlabel(_unit(panel["measure"].iloc[0]))
    handles = [_handle(verdict, colours[verdict]) for verdict in MARKERS]
    handles.append(Line2D([], [], color="0.6", marker=".", linestyle="", markersize=5, label="a seed"))
    handles.append(
        Line2D([], [], color="black", marker=">", linestyle="--", markersize=4, label="smallest effect that matters")
    )
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    if declared["under_other_claims"]:
        figure.supxlabel(textwrap.fill(sentence(declared), 110), fontsize=7, fontweight="bold")
    return figure


def _unit(measure: str) -> str:
    return MEASURES[measure].unit


def _handle(verdict: str, colour: Any) -> "Line2D":
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="", markersize=6, label=verdict, **_look(verdict, colour))


def _look(verdict: str, colour: Any) -> dict[str, Any]:
    face = colour if verdict in FILLED else "white"
    return {"marker": MARKERS[verdict], "color": colour, "markerfacecolor": face}


def _panel(axis: "Axes", rows: "pd.DataFrame", values: "pd.DataFrame", colours: Mapping[str, Any]) -> None:
    """Draw claims with the same unit, one below the other."""
    import numpy as np
    import seaborn as sns

    from elasticity.analysis.verdicts import part_effect

    owns = [values[(values["claim"] == row.claim) & (values["part"] == row.part)] for row in rows.itertuples()]
    effects = [part_effect(own) for own in owns]
    margins = rows["margin"] * rows["direction"].map({"greater": 1.0, "less": -1.0})
    shown = [margins, *(own["value"] for own in owns), *([effect.low, effect.high] for effect in effects)]
    numbers = np.concatenate([np.asarray(part, dtype=float) for part in shown])
    numbers = np.append(numbers[np.isfinite(numbers)], 0.0)
    room = EDGE * (np.ptp(numbers) or 1.0)
    axis.set(xlim=(numbers.min() - room, numbers.max() + room), ylim=(len(rows) - 0.4, -0.6))
    axis.axvline(0, color="0.8", linewidth=0.7, zorder=0)
    for place, (own, effect) in enumerate(zip(owns, effects, strict=True)):
        margin, direction, verdict = margins.iloc[place], *(rows[name].iloc[place] for name in ("direction", "verdict"))
        axis.plot(own["value"], [place + 0.2] * len(own), ".", color="0.6", markersize=4, zorder=1)
        axis.plot([margin, margin], [place - 0.4, place + 0.4], color="black", linewidth=0.9, linestyle="--")
        side = ">" if direction == "greater" else "<"
        axis.plot(margin, place - 0.4, side, color="black", markersize=3.5, clip_on=False)
        if verdict == "not testable":  # no number is given
            continue
        _interval(axis, place, effect.low, effect.high, colours[verdict])
        axis.plot(effect.mean, place, markersize=6.5, zorder=4, **_look(verdict, colours[verdict]))
    axis.set_yticks(range(len(rows)), [_label(row) for row in rows.itertuples()], fontsize=6.5)
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", labelsize=7)
    axis.locator_params(axis="x", nbins=6)  # labels such as −0.006 would touch
    for _, claim in rows.groupby("claim", sort=False):
        axis.text(
            *(1.02, claim.index.to_numpy().mean(), _decided(claim.iloc[0])),
            transform=axis.get_yaxis_transform(),
            verticalalignment="center",
            fontsize=7,
        )
    sns.despine(ax=axis, left=True)


def _interval(axis: "Axes", place: float, low: float, high: float, colour: Any) -> None:
    """Draw an interval, up to the edge of the panel where it has no end, and not at all if it is unknown."""
    import numpy as np

    if np.isnan(low) or np.isnan(high):
        return
    edges = axis.get_xlim()
    axis.plot(np.clip([low, high], *edges), [place] * 2, color=colour, linewidth=1.3, zorder=2)
    for end, edge, arrow in ((low, edges[0], "<"), (high, edges[1], ">")):
        if np.isinf(end):
            axis.plot(edge, place, arrow, color=colour, markersize=4, clip_on=False)


def _label(row: Any) -> str:
    """The label of a row: the claim, its measure, and the part of it that the row shows."""
    from elasticity.analysis.verdict_reasons import over

    part = f", {MEASURES[row.part].title}" if row.part != row.measure else ""
    return f"{row.claim}{part}\n{row.measure} of {row.experiment}{over(row.over)}"


def _decided(row: "pd.Series[Any]") -> str:
    """The verdict in words, with the smaller of the p-values for and against the claim."""
    import pandas as pd

    from elasticity.analysis.verdict_reasons import is_small

    p, side = telling_p(row["p_adjusted"], row["p_against_adjusted"])
    seeds = "1 seed" if row["seeds"] == 1 else f"{row['seeds']} seeds"
    number = f", p = {p:.2g}{side}" if pd.notna(p) else ""
    small = ", but small" if is_small(row["p_adjusted"], row["p_against_adjusted"]) else ""
    return f"{row['verdict']}{small}\n{seeds}{number}"
