import numpy as np
import pandas as pd
import pytest

from elasticity.plots.base_models import base_models
from elasticity.plots.figure import FigureJob

SIZES = (0, 100, 2000)
SCORES = {
    "0.5B": {1000: (0.9, 0.7, 0.6), 5000: (0.95, 0.8, 0.5)},
    "7B": {1000: (0.8, 0.5, 0.4), 5000: (0.9, 0.4, 0.2)},
}


def test_lines_are_means_over_p_and_bands_standard_deviations() -> None:
    rows = [
        {"base": base, "alignment_size": p, "inverse_size": n, "score": score}
        for base, by_size in SCORES.items()
        for p, scores in by_size.items()
        for n, score in zip(SIZES, scores, strict=True)
    ]
    table = pd.DataFrame(rows).sample(frac=1, random_state=1)
    job = FigureJob(bases=tuple(SCORES), sides=("positive", "negative"), score="share classified positive")
    (axis,) = base_models(table, job).axes
    assert [line.get_label() for line in axis.get_lines()] == list(SCORES)
    assert [tick.get_text() for tick in axis.get_xticklabels()] == [str(size) for size in SIZES]
    for line, band, by_size in zip(axis.get_lines(), axis.collections, SCORES.values(), strict=True):
        scores = np.array(list(by_size.values()))
        mean, deviation = scores.mean(0), scores.std(0, ddof=1)
        assert list(line.get_ydata()) == pytest.approx(list(mean))
        (path,) = band.get_paths()
        for place in range(len(SIZES)):
            edge = path.vertices[path.vertices[:, 0] == place, 1]
            expected = (mean[place] - deviation[place], mean[place] + deviation[place])
            assert (edge.min(), edge.max()) == pytest.approx(expected)
    assert axis.get_xlabel() == "N, negative examples"


def test_a_single_p_has_a_band_without_width() -> None:
    table = pd.DataFrame({"base": ["a", "b"] * 2, "alignment_size": 8, "inverse_size": [0, 0, 4, 4], "score": 0.5})
    (axis,) = base_models(table, FigureJob(bases=("a", "b"), sides=("positive", "negative"), score="score")).axes
    assert all(set(path.vertices[:, 1]) == {0.5} for band in axis.collections for path in band.get_paths())
