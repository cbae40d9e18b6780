"""The noise of measures between training seeds, estimated from the tables of a finished study.

Plans and calibrations of other studies take it from there: ``tables/noise.csv`` of the study that they name, or
``workflow/noise.csv``, which is that of the default study.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from elasticity.analysis.jobs import NoiseJob, NoisePart
from elasticity.analysis.table import read_csv
from elasticity.analysis.verdicts import claim_values, prompt_measures
from elasticity.config.claims import Claim, Over
from elasticity.config.measures import MEASURES, computed

RUN = "run"
"""The value of ``over`` for a single base model and P, beside those of claims, for which all of them are averaged."""


COLUMNS = ["measure", "over", "unit", "sd", "df", "prompt_sd", "prompts"]


SIMPLER = {"value": RUN, "sizes": RUN, "bases": "value", "control": "value"}
"""What the noise of a comparison is taken from where a study has no such comparison."""


@dataclass(frozen=True)
class Noise:
    """The noise of a measure.

    ``sd`` is the standard deviation between seeds with ``prompts`` prompts, and ``prompt_sd`` that of a single prompt
    around the means of its seed and of the prompt: the part of the variance that sampling more prompts divides. Both
    are NaN for measures that have no number for each prompt.
    """

    sd: float
    prompt_sd: float = float("nan")
    prompts: float = float("nan")

    @property
    def of_seeds(self) -> float:
        """The variance between seeds that more prompts do not reduce."""
        sampled = 0.0 if np.isnan(self.prompt_sd) else self.prompt_sd**2 / self.prompts
        return max(0.0, self.sd**2 - sampled)

    def with_prompts(self, prompts: int | None) -> float:
        """The standard deviation between seeds with another number of prompts."""
        if prompts is None or np.isnan(self.prompt_sd):
            return self.sd
        return float(np.sqrt(self.of_seeds + self.prompt_sd**2 / prompts))

    def times(self, factor: float) -> "Noise":
        """The noise of a quantity that is larger by a factor."""
        return Noise(factor * self.sd, factor * self.prompt_sd, self.prompts)


def read_noise(path: Path) -> dict[tuple[str, str], Noise]:
    """The noise by measure and ``over``, from a file that the table of noise wrote."""
    rows = read_csv(path).to_dict(orient="records")
    return {(row["measure"], row["over"]): Noise(row["sd"], row["prompt_sd"], row["prompts"]) for row in rows}


def noise_of(noise: Mapping[tuple[str, str], Noise], measure: str, over: str) -> Noise | None:
    """The noise of a claim's effect; None if nothing is known of the measure.

    A comparison that was not made has the noise of a difference of two independent numbers.
    """
    if (measure, over) in noise:
        return noise[measure, over]
    if over not in SIMPLER:
        return None
    found = noise_of(noise, measure, SIMPLER[over])
    return found if found is None or over == "value" else found.times(np.sqrt(2))


def noise_table(
    job: NoiseJob, measures: Mapping[str, pd.DataFrame], scores: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """Standard deviations between seeds, one row for each measure and what is compared, with the columns ``COLUMNS``.

    ``measures`` holds the long table of each experiment, and ``scores`` the scores of each task (schema ``SCORES``).
    Variances are pooled over experiments, base models and sizes P, weighted by degrees of freedom (``df``). Seeds
    without a value, or of which only a bound is known, are left out.
    """
    per_prompt = {name: prompt_measures(scores[it.experiment.task], it) for name, it in job.rebound.items()}
    groups: dict[tuple[str, str], list[tuple[int, float, float, float]]] = defaultdict(list)
    for part in job.parts:
        for entry in computed(part.kind):
            for over, control in _comparisons(part, entry.between_sizes):
                names = [part.experiment, *([control] if control else [])]
                for bases, tables in _tables(measures, part, names, over):
                    group = _group(_claim(entry.name, over, part.experiment, control), tables, bases, per_prompt)
                    if group:
                        groups[entry.name, over].append(group)
    rows = [_pooled(*key, found) for key, found in groups.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def _comparisons(part: NoisePart, between_sizes: bool) -> Iterator[tuple[str, str | None]]:
    yield RUN, None
    yield "value", None
    if part.kind == "rebound" and part.several_sizes and not between_sizes:
        yield "sizes", None
    if len(part.bases) > 1:
        yield "bases", None
    yield from (("control", control) for control in part.controls)


def _claim(measure: str, over: str, experiment: str, control: str | None) -> Claim:
    compared: Over = "value" if over == RUN else over  # type: ignore[assignment]
    return Claim(
        hypothesis="noise",
        experiment=experiment,
        measure=measure,
        over=compared,
        control=control,
        direction="greater",
        role="exploratory",
        seeds=1,
    )


def _tables(
    measures: Mapping[str, pd.DataFrame], part: NoisePart, names: list[str], over: str
) -> Iterator[tuple[dict[str, tuple[str, ...]], dict[str, pd.DataFrame]]]:
    """The base models and the tables of a comparison; for ``RUN``, those of each single base model and P."""
    if over != RUN:
        yield {name: part.controls.get(name, part.bases) for name in names}, {name: measures[name] for name in names}
        return
    table = measures[part.experiment]
    for base in part.bases:
        for size in [*table["alignment_size"].dropna().unique(), None]:
            chosen = table["alignment_size"].isna() if size is None else table["alignment_size"] == size
            yield {part.experiment: (base,)}, {part.experiment: table[chosen.fillna(False).astype(bool)]}


def _group(
    claim: Claim,
    tables: Mapping[str, pd.DataFrame],
    bases: Mapping[str, tuple[str, ...]],
    per_prompt: Mapping[str, pd.DataFrame],
) -> tuple[int, float, float, float] | None:
    """Degrees of freedom, variance between seeds, and the variance of single prompts and their number (or NaN)."""
    (values,) = claim_values(claim, tables, bases).values()
    known = values.loc[values["low"] == values["high"], "value"].to_numpy(dtype=float)
    known = known[np.isfinite(known)]
    if len(known) < 2:
        return None
    own = (len(known) - 1, float(known.var(ddof=1)))
    if not MEASURES[claim.measure].per_prompt or not per_prompt.keys() >= set(claim.experiments):
        return *own, float("nan"), float("nan")
    sizes = {name: table["alignment_size"].unique() for name, table in tables.items()}
    cells = {name: per_prompt[name][per_prompt[name]["alignment_size"].isin(sizes[name])] for name in tables}
    (prompts,) = claim_values(claim, cells, bases, ("seed", "prompt_id")).values()
    wide = prompts["value"].unstack("prompt_id").dropna().to_numpy(dtype=float)
    rest = wide - wide.mean(axis=0) - wide.mean(axis=1, keepdims=True) + wide.mean()
    return *own, float(np.square(rest).sum() / ((wide.shape[0] - 1) * (wide.shape[1] - 1))), float(wide.shape[1])


def _pooled(measure: str, over: str, groups: list[tuple[int, float, float, float]]) -> list[object]:
    found = np.array(groups)
    df, variance, of_prompt, prompts = found.T
    per_prompt = [float("nan")] * 2
    if np.isfinite(of_prompt).all():
        per_prompt = [float(np.sqrt(np.average(of_prompt, weights=df))), float(1 / np.average(1 / prompts, weights=df))]
    sd = float(np.sqrt(np.average(variance, weights=df)))
    return [measure, over, MEASURES[measure].unit, sd, int(df.sum()), *per_prompt]
