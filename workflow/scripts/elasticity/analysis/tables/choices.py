"""The table of choices: the candidates of EpiCoDe's factors in each run, and those that the run took."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from elasticity.analysis.jobs import ChoicesJob
from elasticity.analysis.table import Shown, Table, write_csv

if TYPE_CHECKING:
    from elasticity.runtime.command import Command

FACTORS = ("extrapolation", "strength")
"""The factors that a run may choose: of extrapolation (μ), and the strength of contrastive decoding (λ)."""


def choice_rows(choices: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield a row for each size P, factor and candidate of a run, from ``choices`` in its metrics."""
    for size, choice in sorted(choices.items(), key=lambda item: int(item[0])):
        for factor in (factor for factor in FACTORS if factor in choice):
            for candidate, nats in choice[f"{factor}_nats"].items():
                row = {"alignment_size": int(size), "factor": factor, "candidate": float(candidate)}
                yield row | {"nats_per_token": nats, "chosen": float(candidate) == choice[factor]}


def make(command: "Command[ChoicesJob]") -> None:
    """Write the table of an experiment from the metrics of its alignment runs."""
    import json

    import pandas as pd

    rows = []
    for (base, seed), path in zip(command.job.runs, command.paths("metrics"), strict=True):
        found = choice_rows(json.loads(path.read_text())["choices"])
        rows += [{"base": base, "seed": seed} | row for row in found if row["alignment_size"] in command.job.sizes]
    write_csv(pd.DataFrame(rows), command.path("table"))


TABLE = Table(
    job=ChoicesJob,
    of="rebound",
    inputs=("metrics",),
    outputs={"table": "choices-{experiment}.csv"},
    make=make,
    chapter="Rebound",
    shown={
        "table": Shown(
            label="choices of the alignment stage, table",
            caption="""
The factors that each run of the alignment stage chose by its validation examples, which no stage is trained on.
``extrapolation`` is μ in EpiCoDe: the candidate with the shortest code of the validation examples, in nats per token;
0, the model that is not extrapolated, stands beside the candidates for comparison and can be chosen only if it is one.
``strength`` is λ, chosen after μ: the code length is that of contrastive decoding on those tokens that it may draw,
which are the same for all candidates.
""",
        )
    },
)
