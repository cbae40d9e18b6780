from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from elasticity.plots.compression import rates
from elasticity.plots.figure import FigureJob
from elasticity.plots.realignment import realignment
from elasticity.plots.rebound import rebound
from elasticity.plots.resistance import resistance
from elasticity.plots.style import save
from elasticity.plots.text_statistics import PANELS, text_statistics

BASES = ("nano", "big")
SIDES = ("positive", "negative")
VALUES = ["training_loss", "cross_entropy", "own_entropy", "kl", "kl_exact"]
PAIRS = ["1-2", "1-3", "2-3"]


def interval(value: float, half: float, name: str) -> dict[str, float]:
    return {name: value, f"{name}_low": value - half, f"{name}_high": value + half}


def rebound_numbers(half: float = 0.05) -> pd.DataFrame:
    rows = [
        {"base": base, "alignment_size": first, "inverse_size": second}
        | interval(0.4 + 0.1 * place, 0.02, "base_score")
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


def job(*bases: str, score: str = "score") -> FigureJob:
    return FigureJob(bases=bases, sides=SIDES, score=score)


def draw_rebound(*bases: str) -> Figure:
    return rebound(rebound_numbers(), job(*(bases or BASES), score="share classified positive"))


def draw_resistance() -> Figure:
    return resistance(*resistance_numbers(), FigureJob(base="nano"))


def lines(axis: Axes) -> dict[str, Any]:
    """The lines in the legend."""
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


def test_the_last_digits_of_a_layout_do_not_show(tmp_path: Path) -> None:
    """They differ between processes, and the names of clip paths in SVG files are digests of them."""
    paths = [tmp_path / "one.svg", tmp_path / "other.svg"]
    for path, noise in zip(paths, (0.0, 3e-12), strict=True):
        figure = plt.figure()
        figure.add_axes((0.1 + noise, 0.1, 0.8 - noise, 0.8)).plot([0, 1, 2])
        save(figure, [path])
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_rebound_axes_are_labelled() -> None:
    axes = draw_rebound().axes
    assert [axis.get_title() for axis in axes] == list(BASES)
    assert [axis.get_xlabel() for axis in axes] == ["N, negative examples"] * 2
    assert axes[0].get_ylabel() == "share classified positive"
    assert [tick.get_text() for tick in axes[0].get_xticklabels()] == ["0", "6", "24"]


def test_each_alignment_size_has_a_line_through_its_scores_near_the_ticks() -> None:
    for base, axis in zip(BASES, draw_rebound().axes, strict=True):
        table = rebound_numbers()
        for size in (8, 16):
            line = lines(axis)[f"P = {size} positive"].lines[0]
            scores = table[(table["base"] == base) & (table["alignment_size"] == size)]["score"]
            assert line.get_xdata() == pytest.approx(axis.get_xticks(), abs=0.2)
            assert line.get_ydata().tolist() == scores.tolist()


def test_each_panel_has_the_line_of_its_base_model() -> None:
    heights = [lines(axis)["base model"].get_ydata() for axis in draw_rebound().axes]
    assert heights == [[0.4, 0.4], [0.5, 0.5]]


def test_lines_can_be_told_apart_in_grey() -> None:
    (axis,) = draw_rebound("nano").axes
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
    figure = rebound(rebound_numbers(half=float("nan")), job("nano"))
    save(figure, [tmp_path / "figure.svg"])
    assert lines(figure.axes[0])["P = 8 positive"].lines[0].get_ydata().size == 3


# Sizes N


def labels_drawn(axis: Axes) -> list[Text]:
    return [label for label in axis.get_xticklabels() if label.get_text()]


def run_into_another(labels: list[Text]) -> bool:
    boxes = [label.get_window_extent() for label in labels]
    return any(one.x1 >= other.x0 for one, other in pairwise(sorted(boxes, key=lambda box: box.x0)))


def table_of(sizes: tuple[int, ...], *values: str) -> pd.DataFrame:
    """Rows that every figure with N, or examples of a realignment stage, on its axis can draw."""
    rows = [
        {
            "base": base,
            "corpus": corpus,
            "alignment_size": first,
            "inverse_size": size,
            "realignment_size": size,
        }
        | interval(0, 0.1, "base_score")
        | {f"base_{value}": 0.5 for value in values}
        | {name: number for value in values for name, number in interval(first + size, 1, value).items()}
        for base in ("one", "two", "three")
        for corpus in ("pretraining", "alignment", "perturbation", "control")
        for first in (96, 384, 768)
        for size in sizes
    ]
    return pd.DataFrame(rows)


def draw_against_sizes(kind: str, sizes: tuple[int, ...]) -> Figure:
    bases = ("one", "two", "three")
    match kind:
        case "compression":
            return rates(table_of(sizes, "bits_per_byte"), job(*bases))
        case "text_statistics":
            return text_statistics(table_of(sizes, *PANELS), job(*bases[:1]))
        case "realignment":
            table = table_of(sizes, "score", "aligned", "first_alignment")
            return realignment(table[table["corpus"] == "control"], job(*bases))
        case _:
            return rebound(table_of(sizes, "score"), job(*bases))


@pytest.mark.parametrize("sizes", [(0, 8, 96, 768), (0, 8, 24, 48, 96, 192, 384, 768)], ids=["4", "8"])
@pytest.mark.parametrize("kind", ["compression", "text_statistics", "realignment", "rebound"])
def test_every_size_has_a_tick_and_no_label_runs_into_another(kind: str, sizes: tuple[int, ...]) -> None:
    figure = draw_against_sizes(kind, sizes)
    figure.set_dpi(300)
    figure.draw_without_rendering()
    for axis in (axis for axis in figure.axes if axis.axison):
        labels = labels_drawn(axis)
        names = [label.get_text() for label in labels]
        assert not run_into_another(labels), names
        assert len(axis.get_xticks()) == len(sizes) + (kind == "realignment")
        assert {names[0], names[-1]} == {"aligned" if kind == "realignment" else "0", "768"}
        if len(sizes) == 4 and kind != "realignment":
            assert names == [str(size) for size in sizes]
    plt.close(figure)


def test_the_labels_of_eight_sizes_would_run_into_each_other() -> None:
    """Without this the test above would show nothing."""
    figure = draw_against_sizes("compression", (0, 8, 24, 48, 96, 192, 384, 768))
    axis = figure.axes[0]
    axis.set_xticks(axis.get_xticks(), ["0", "8", "24", "48", "96", "192", "384", "768"])
    figure.draw_without_rendering()
    assert run_into_another(labels_drawn(axis))
    plt.close(figure)


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
