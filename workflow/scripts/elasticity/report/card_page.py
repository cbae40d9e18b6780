"""A card as a page to read and to print, and a table and a figure of many cards."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from pydantic import ValidationError

from elasticity.core.errors import UserError
from elasticity.plots.style import PAGE_IN, use_style
from elasticity.report import html
from elasticity.report.card_schema import AtSize, Card, Estimate
from elasticity.report.tables import number

COMPARED = {
    "reversal_ratio": "reversal ratio,\nlog2 of N_base(P) / P",
    "crossing_end": "crossing at the largest N,\nscore",
    "lean_start": "alignment moves the lean by,\nbits per byte",
    "lean_return": "it returns by,\nbits per byte",
    "lean_crossing_end": "crossing at the largest N,\nbits per byte",
}
"""The panels of the figure of many cards, with the labels of their axes; those that no card has are left out."""


AT_LARGEST = ("reversal_ratio", "lean_start", "lean_return")
"""The numbers of a card that it has for each P: those at the largest one are compared."""


LEGEND = {"o": "mean over seeds, 95 % interval", "<": "at most this", ">": "at least this"}
"""The meaning of the markers: of some seeds only a bound is known."""


def card_page(card: Card, template: Path) -> str:
    """The page of a card; equal cards give equal bytes."""
    return html.page(template, card=card, number=number, words=words)


def words(estimate: Estimate | None, unit: str = "") -> str:
    """An estimate in words, with its interval, its unit, and the number of seeds of which only a bound is known."""
    if estimate is None:
        return "not measured"
    sign = "≥ " if estimate.censored_above else "≤ " if estimate.censored_below else ""
    value = "no number" if estimate.value is None else f"{sign}{number(estimate.value)}"
    bounds = f" ({number(estimate.low)} to {number(estimate.high)})" if estimate.low is not None else ""
    censored = estimate.censored_above + estimate.censored_below
    known = f", of {censored} only a bound" if censored else ""
    return f"{value}{bounds}{unit and f' {unit}'}, {estimate.seeds} {'seed' if estimate.seeds == 1 else 'seeds'}{known}"


def read_card(path: Path) -> Card:
    """Read a card of any study; raises ``UserError`` if the file is not a card."""
    try:
        return Card.model_validate_json(path.read_text())
    except OSError as error:
        raise UserError(f"card {path}: {error.strerror}; give cards as results/STUDY/cards/MODEL.json") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(
            f"card {path}: {place}: {first['msg']}; it must follow workflow/schemas/card.schema.json"
        ) from None


def compared(cards: Iterable[Card]) -> pd.DataFrame:
    """One row for each card and rebound experiment, with numbers at the largest P; NaN where there is none."""
    rows = []
    for card in cards:
        for rebound in card.rebound or []:
            largest = {name: next(iter(reversed(getattr(rebound, name) or [])), None) for name in AT_LARGEST}
            row = {
                "model": card.model.name,
                "study": card.study.name,
                "experiment": rebound.experiment,
                "task": rebound.task,
                "parameters": card.model.parameters,
                "seeds": len(card.study.seeds),
                "alignment_size": rebound.alignment_sizes[-1],
                **_columns("reversal_ratio", largest["reversal_ratio"]),
                **_columns("crossing_start", rebound.crossing_start),
                **_columns("crossing_end", rebound.crossing_end),
                **_columns("lean_start", largest["lean_start"]),
                **_columns("lean_return", largest["lean_return"]),
                **_columns("lean_crossing_start", rebound.lean_crossing_start),
                **_columns("lean_crossing_end", rebound.lean_crossing_end),
                "cpu_seconds": card.cost.cpu_seconds,
                "gpu_seconds": card.cost.gpu_seconds,
                "commit": card.provenance.commit,
            }
            rows.append(row)
    if not rows:
        raise UserError("these cards have no rebound experiments, so there is nothing to compare")
    return pd.DataFrame(rows)


def _columns(name: str, found: Estimate | AtSize | None) -> dict[str, float | int | None]:
    estimate = found.estimate if isinstance(found, AtSize) else found
    known = estimate or Estimate(value=None, low=None, high=None, seeds=0)
    censored = known.censored_above - known.censored_below
    return {name: known.value, f"{name}_low": known.low, f"{name}_high": known.high, f"{name}_censored": censored}


def compared_figure(table: pd.DataFrame) -> Figure:
    """Draw a row for each card and experiment and a panel for each number; an arrow where only a bound is known."""
    use_style()
    panels = [name for name in COMPARED if table[name].notna().any()] or list(COMPARED)[:2]
    figure, axes = plt.subplots(
        1, len(panels), figsize=(PAGE_IN, 0.9 + 0.28 * len(table)), sharey=True, squeeze=False, layout="constrained"
    )
    axes = axes[0]
    for axis, name in zip(axes, panels, strict=True):
        _panel(axis, table, name)
        axis.set_xlabel(COMPARED[name])
    names = [f"{row.model}, {row.study}: {row.experiment}" for row in table.itertuples()]
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.4, -0.6)
    figure.legend(handles=list(map(_handle, LEGEND)), loc="outside upper center", ncols=len(LEGEND), frameon=False)
    return figure


def _handle(marker: str) -> Line2D:
    face = "0.1" if marker == "o" else "white"
    return Line2D([], [], color="0.1", marker=marker, linestyle="", markerfacecolor=face, label=LEGEND[marker])


def _panel(axis: Axes, table: pd.DataFrame, name: str) -> None:
    axis.axvline(0, color="0.6", linewidth=0.8, linestyle="--")
    columns: Sequence[str] = (name, f"{name}_low", f"{name}_high", f"{name}_censored")
    for place, (value, low, high, censored) in enumerate(table[list(columns)].to_numpy(dtype=float)):
        marker = "o" if not censored else ">" if censored > 0 else "<"
        axis.plot([low, high], [place] * 2, color="0.3", linewidth=1.2)
        axis.plot(value, place, marker, color="0.1", markerfacecolor="0.1" if not censored else "white")
    sns.despine(ax=axis, left=True)
    axis.tick_params(axis="y", length=0)
