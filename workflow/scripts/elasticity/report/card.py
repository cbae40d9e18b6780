"""Makes the card of a base model from the tables of a study."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from elasticity.analysis.aggregation import t_interval
from elasticity.analysis.table import read_csv
from elasticity.config.experiments import Rebound
from elasticity.config.models import HubModel
from elasticity.core.digests import digest
from elasticity.report.card_schema import (
    AtSize,
    Card,
    CardJob,
    ClaimsRecord,
    ClaimVerdict,
    CompressionRate,
    Cost,
    Estimate,
    HeldOut,
    ModelIdentity,
    Provenance,
    ReboundCard,
    ResistanceCard,
    Slope,
    StudyIdentity,
    TextStatistics,
)

PROCESSORS = ("x86_64", "AMD64", "aarch64", "arm64")
"""Names of devices that are not GPUs, as ``platform.machine`` returns them."""


def card(
    job: CardJob, tables: Iterable[Path], metrics: Sequence[Path], provenance: Path, declared: Path | None
) -> Card:
    """The card of the base model of ``job``.

    ``tables`` are the tables that the study made, of any experiments; ``metrics`` are files of the training jobs on the
    model; ``declared`` records which claims were declared when models were trained, None if the study has no claims.
    """
    found = _Tables(job.base, tables)
    record = json.loads(provenance.read_text())
    runs = [json.loads(path.read_text()) for path in metrics]
    tasks = {it.task for it in job.rebound.values()} | {it.task for it in job.resistance.values()}
    verdicts = found.verdicts({*job.rebound, *job.resistance})
    return Card(
        version=1,
        model=_identity(job, runs),
        study=StudyIdentity(name=job.study, digest=record["study_digest"], seeds=job.seeds),
        rebound=[found.rebound(*experiment) for experiment in job.rebound.items()] or None,
        resistance=[
            ResistanceCard(experiment=name, task=it.task, kl_gap=found.measured(name, "kl-gap", pair="all"))
            for name, it in job.resistance.items()
        ]
        or None,
        compression=found.compression(tasks),
        verdicts=None if verdicts is None else [it for it in verdicts if it.over != "control"],
        controls=None if verdicts is None else [it for it in verdicts if it.over == "control"],
        cost=_cost(runs),
        provenance=_provenance(record, declared),
    )


class _Tables:
    """The rows of one base model in the tables of a study; methods return None for a table that was not made."""

    def __init__(self, base: str, paths: Iterable[Path]) -> None:
        self.base = base
        self._paths = {path.stem: path for path in paths}

    def _rows(self, name: str) -> pd.DataFrame | None:
        if name not in self._paths:
            return None
        table = read_csv(self._paths[name])
        table = table[table["base"] == self.base] if "base" in table else table
        return None if table.empty else table

    def _records(self, name: str) -> list[dict[Any, Any]]:
        rows = self._rows(name)
        return [] if rows is None else rows.to_dict(orient="records")

    def rebound(self, name: str, experiment: Rebound) -> ReboundCard:
        def at_sizes(measure: str) -> list[AtSize] | None:
            return [
                AtSize(alignment_size=size, estimate=estimate)
                for size in experiment.alignment_sizes
                if (estimate := self.measured(name, measure, alignment_size=size))
            ] or None

        return ReboundCard(
            experiment=name,
            task=experiment.task,
            alignment_side=experiment.alignment_side,
            alignment_sizes=experiment.alignment_sizes,
            inverse_sizes=experiment.inverse_sizes,
            alignment_recipe=experiment.alignment_recipe,
            inverse_recipe=experiment.inverse_recipe,
            reversal_ratio=at_sizes("reversal-ratio"),
            crossing_start=self.measured(name, "crossing-start"),
            crossing_end=self.measured(name, "crossing-end"),
            lean_start=at_sizes("lean-start"),
            lean_return=at_sizes("lean-return"),
            lean_crossing_start=self.measured(name, "lean-crossing-start"),
            lean_crossing_end=self.measured(name, "lean-crossing-end"),
            kl_to_base=self._divergence(name),
            held_out=self._held_out(name),
            slopes=self._slopes(name),
            text_statistics=self._text_statistics(name),
        )

    def measured(self, experiment: str, measure: str, **where: object) -> Estimate | None:
        """A measure over the seeds of an experiment; None if no seed has a value."""
        rows = self._rows(f"measures-{experiment}")
        if rows is None:
            return None
        rows = rows[rows["measure"] == measure]
        for column, value in where.items():
            rows = rows[rows[column] == value]
        rows = rows.dropna(subset=["value"])
        return _over_seeds(rows) if len(rows) else None

    def _divergence(self, experiment: str) -> list[AtSize] | None:
        at_start = [row for row in self._records(f"divergence-{experiment}") if row["inverse_size"] == 0]
        return [AtSize(alignment_size=row["alignment_size"], estimate=_estimate(row, "kl")) for row in at_start] or None

    def _held_out(self, experiment: str) -> list[HeldOut] | None:
        return [
            HeldOut(
                corpus=row["corpus"],
                alignment_size=row["alignment_size"],
                bits_per_byte=_estimate(row, "bits_per_byte"),
                kl_to_base=_estimate(row, "kl_to_base"),
            )
            for row in self._records(f"compression-{experiment}")
            if row["inverse_size"] == 0
        ] or None

    def _slopes(self, experiment: str) -> list[Slope] | None:
        rows = self._records(f"springs-{experiment}")
        smallest = min((row["inverse_size"] for row in rows), default=None)
        return [
            Slope(
                corpus=row["corpus"],
                alignment_size=row["alignment_size"],
                inverse_size=row["inverse_size"],
                estimate=_estimate(row, "slope"),
            )
            for row in rows
            if row["training"] == "sequential" and row["inverse_size"] == smallest
        ] or None

    def _text_statistics(self, experiment: str) -> TextStatistics | None:
        rows = self._records(f"text-statistics-{experiment}")
        if not rows:
            return None
        row = max(rows, key=lambda row: (row["alignment_size"], row["inverse_size"]))
        names = ("length", "distinct_2", "repetition", "perplexity_ratio")
        return TextStatistics(
            alignment_size=row["alignment_size"],
            inverse_size=row["inverse_size"],
            warning=_or_none(row.get("warning")),
            **{name: _estimate(row, name) for name in names},
        )

    def compression(self, tasks: Iterable[str]) -> list[CompressionRate] | None:
        """Bits per byte of held-out text under the base model itself."""
        return [
            CompressionRate(task=task, corpus=row["corpus"], bits_per_byte=row["bits_per_byte"])
            for task in sorted(tasks)
            for row in self._records(f"bits-per-byte-{task}")
        ] or None

    def verdicts(self, experiments: set[str]) -> list[ClaimVerdict] | None:
        """The verdicts on the claims about these experiments."""
        rows = self._rows("verdicts")
        if rows is None:
            return None
        return [
            ClaimVerdict(**{name: _or_none(row[name]) for name in ClaimVerdict.model_fields})
            for row in rows.to_dict(orient="records")
            if row["experiment"] in experiments
        ]


def _or_none(value: Any) -> Any:
    """The value, or None for a number that is missing or infinite, which JSON cannot hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _estimate(row: Mapping[Any, Any], name: str) -> Estimate:
    """The estimate in a column whose bounds are in the columns beside it."""
    value, low, high = (_or_none(row[column]) for column in (name, f"{name}_low", f"{name}_high"))
    return Estimate(value=value, low=low, high=high, seeds=row["seeds"])


def _over_seeds(rows: pd.DataFrame) -> Estimate:
    """The estimate from the rows of a measures table, one row per seed."""
    below, above = int((rows["low"] < rows["value"]).sum()), int((rows["high"] > rows["value"]).sum())
    mean, low, high = t_interval(rows["value"].to_numpy(dtype=float))
    known = not (below or above)
    return Estimate(
        value=None if below and above else mean,
        low=_or_none(low) if known else None,
        high=_or_none(high) if known else None,
        seeds=len(rows),
        censored_below=below,
        censored_above=above,
    )


def _identity(job: CardJob, runs: Sequence[Mapping[str, Any]]) -> ModelIdentity:
    """The identity of the model; a training job counts all of its parameters, also if it trains an adapter."""
    return ModelIdentity(
        name=job.base,
        kind=job.model.kind,
        parameters=next((run["parameters"] for run in runs if "parameters" in run), None),
        revision=job.model.revision if isinstance(job.model, HubModel) else None,
        settings_digest=digest(job.model.model_dump(mode="json")),
    )


def _cost(runs: Sequence[Mapping[str, Any]]) -> Cost:
    """The cost of the training jobs; the metrics of an imported model have no time and do not count."""
    trained = [run for run in runs if "wall_s" in run]
    on_cpu = [run for run in trained if run["device"] in PROCESSORS]
    on_gpu = [run for run in trained if run["device"] not in PROCESSORS]
    return Cost(
        training_jobs=len(trained),
        cpu_seconds=round(sum(run["wall_s"] * run["processes"] * run["threads"] for run in on_cpu), 3),
        gpu_seconds=round(sum(run["wall_s"] * run["processes"] for run in on_gpu), 3),
        tokens=sum(run["tokens"] for run in trained),
        tflop=sum(run["model_tflop"] for run in trained),
    )


def _provenance(record: Mapping[str, Any], declared: Path | None) -> Provenance:
    claims = None
    if declared is not None:
        found = json.loads(declared.read_text())
        claims = ClaimsRecord(
            digest=found["claims"],
            training_jobs=found["training_jobs"],
            under_other_claims=found["under_other_claims"],
        )
    return Provenance(
        commit=record["git"]["commit"],
        changed=record["git"]["changed"],
        python=record["python"],
        packages=record["packages"],
        hardware=record["hardware"],
        claims=claims,
    )
