from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from elasticity.figures import rebound, resistance, save

BASES = ["nano", "big"]
SIDES = ("positive", "negative")
VALUES = ["training_loss", "cross_entropy", "own_entropy", "kl", "kl_exact"]
PAIRS = ["1-2", "1-3", "2-3"]


def interval(value: float, half: float, name: str) -> dict[str, float]:
    return {name: value, f"{name}_low": value - half, f"{name}_high": value + half}


def rebound_numbers(half: float = 0.05) -> pd.DataFrame:
    rows = [
        {"base": base, "first_size": first, "second_size": second, "base_score": 0.4 + 0.1 * place}
        | interval(0.9 - second / 200 + first / 1000, half, "score")
        for place, base in enumerate(BASES)
        for first in (8, 16)
        for second in (0, 6, 24)
    ]
    return pd.DataFrame(rows)


def resistance_numbers(half: float = 0.1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Table, and seeds: forward is 1 and inverse is 2, give or take."""
    table, seeds = [], []
    for base in BASES:
        for pair in PAIRS:
            for mean, direction in enumerate(("forward", "inverse"), start=1):
                where = {"base": base, "pair": pair, "direction": direction}
                table.append(where | {k: v for name in VALUES for k, v in interval(mean, half, name).items()})
                seeds += [where | {"seed": seed} | dict.fromkeys(VALUES, mean + seed / 10) for seed in (-1, 1)]
    return pd.DataFrame(table), pd.DataFrame(seeds)


def draw_rebound(bases: list[str] = BASES) -> Figure:
    return rebound(rebound_numbers(), bases, SIDES, "share classified positive")


def draw_resistance() -> Figure:
    return resistance(*resistance_numbers(), "nano")


def lines(axis: Axes) -> dict[str, Any]:
    """What the legend names."""
    handles, labels = axis.get_legend_handles_labels()
    return dict(zip(labels, handles, strict=True))


# Files


@pytest.mark.parametrize("draw", [draw_rebound, draw_resistance])
def test_every_format_is_written_and_the_same_bytes_twice(tmp_path: Path, draw: Any) -> None:
    heads = {".svg": b"<?xml", ".pdf": b"%PDF", ".png": b"\x89PNG"}
    one, two = ([tmp_path / f"{name}{suffix}" for suffix in heads] for name in ("one", "two"))
    save(draw(), one)
    save(draw(), two)
    assert [path.read_bytes()[:9].startswith(head) for path, head in zip(one, heads.values(), strict=True)] == [
        True
    ] * 3
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


# Rebound


def test_rebound_axes_are_labelled() -> None:
    axes = draw_rebound().axes
    assert [axis.get_title() for axis in axes] == BASES
    assert [axis.get_xlabel() for axis in axes] == ["N, negative examples"] * 2
    assert axes[0].get_ylabel() == "share classified positive"
    assert [tick.get_text() for tick in axes[0].get_xticklabels()] == ["0", "6", "24"]


def test_each_first_size_has_a_line_through_its_scores_near_the_ticks() -> None:
    for base, axis in zip(BASES, draw_rebound().axes, strict=True):
        table = rebound_numbers()
        for size in (8, 16):
            line = lines(axis)[f"P = {size} positive"].lines[0]
            scores = table[(table["base"] == base) & (table["first_size"] == size)]["score"]
            assert line.get_xdata() == pytest.approx(axis.get_xticks(), abs=0.2)
            assert line.get_ydata().tolist() == scores.tolist()


def test_each_panel_has_the_line_of_its_base_model() -> None:
    heights = [lines(axis)["base model"].get_ydata() for axis in draw_rebound().axes]
    assert heights == [[0.4, 0.4], [0.5, 0.5]]


def test_lines_can_be_told_apart_in_grey() -> None:
    (axis,) = draw_rebound(["nano"]).axes
    drawn = [lines(axis)[f"P = {size} positive"].lines[0] for size in (8, 16)]
    light = [
        sum(share * part for share, part in zip((0.3, 0.59, 0.11), to_rgb(line.get_color()), strict=True))
        for line in drawn
    ]
    assert drawn[0].get_marker() != drawn[1].get_marker()
    assert abs(light[0] - light[1]) > 0.1


def test_the_legend_names_every_line() -> None:
    (legend,) = draw_rebound().legends
    assert {text.get_text() for text in legend.get_texts()} == {"P = 8 positive", "P = 16 positive", "base model"}


def test_scores_of_a_single_seed_are_drawn_without_intervals(tmp_path: Path) -> None:
    figure = rebound(rebound_numbers(half=float("nan")), ["nano"], SIDES, "score")
    save(figure, [tmp_path / "figure.svg"])
    assert lines(figure.axes[0])["P = 8 positive"].lines[0].get_ydata().size == 3


# Resistance


def test_resistance_axes_are_labelled() -> None:
    axes = draw_resistance().axes
    assert [axis.get_title() for axis in axes] == [
        "training loss",
        "cross-entropy H",
        "target's own H(p)",
        "KL as H − H(p)",
        "KL, exact",
    ]
    assert axes[0].get_ylabel() == "nats per token"
    assert {axis.get_xlabel() for axis in axes} == {"pair of slices"}
    assert [tick.get_text() for tick in axes[0].get_xticklabels()] == ["1, 2", "1, 3", "2, 3"]


def test_every_value_has_means_for_both_directions() -> None:
    for axis in draw_resistance().axes:
        means = {label: handle.lines[0].get_ydata().tolist() for label, handle in lines(axis).items()}
        assert means == {"forward": [1, 1, 1], "inverse": [2, 2, 2]}


def test_every_seed_has_a_dot() -> None:
    for axis in draw_resistance().axes:
        dots = sorted(y for line in axis.get_lines() if line.get_marker() == "." for y in line.get_ydata())
        assert dots == [0.9] * 3 + [1.1] * 3 + [1.9] * 3 + [2.1] * 3
