"""The tables of the springs: the elasticity theorem set against measured compression rates."""

from typing import TYPE_CHECKING

from elasticity.analysis.aggregation import cells_of
from elasticity.analysis.jobs import SpringsJob
from elasticity.analysis.table import Shown, Table, write_csv

if TYPE_CHECKING:
    from elasticity.runtime.command import Command

LOSSES_OF = ("base-losses", "alignment-losses", "inverse-losses")


def make(command: "Command[SpringsJob]") -> None:
    """Write the tables of an experiment from its compression rates and from what its models were trained on."""
    import pandas as pd

    from elasticity.analysis.springs import (
        sequential_amounts,
        spring_exponents,
        spring_ratios,
        spring_seeds,
        spring_table,
    )
    from elasticity.core.path_patterns import unfold
    from elasticity.core.tables import read_table, read_tables
    from elasticity.evaluation.schemas import COMPRESSION
    from elasticity.training.schemas import AMOUNTS, LOSSES

    job = command.job
    losses = [[read_table(path, LOSSES).to_pandas() for path in command.paths(name)] for name in LOSSES_OF]
    measured = {"sequential": read_tables(unfold(command.paths("rates")), COMPRESSION).to_pandas()}
    amounts = {"sequential": sequential_amounts(job, *losses)}
    if command.paths("joint-rates"):
        measured["joint"] = read_tables(unfold(command.paths("joint-rates")), COMPRESSION).to_pandas()
        amounts["joint"] = read_tables(unfold(command.paths("joint-amounts")), AMOUNTS).to_pandas()
    measured = {name: cells_of(rows, job) for name, rows in measured.items()}
    per_seed = spring_seeds(
        pd.concat([rows.assign(training=name) for name, rows in measured.items()]),
        pd.concat([rows.assign(training=name) for name, rows in amounts.items()]),
    )
    exponents = spring_exponents(per_seed, {base.base: base.model for base in job.bases})
    write_csv(per_seed, command.path("seeds"))
    write_csv(spring_table(per_seed), command.path("table"))
    write_csv(spring_ratios(per_seed), command.path("ratios"))
    write_csv(exponents, command.path("exponents"))


TABLE = Table(
    job=SpringsJob,
    of="rebound",
    inputs=("rates", *LOSSES_OF),
    optional=("joint-rates", "joint-amounts"),
    outputs={
        "table": "springs-{experiment}.csv",
        "seeds": "seeds/springs-{experiment}.csv",
        "ratios": "spring-ratios-{experiment}.csv",
        "exponents": "spring-exponents-{experiment}.csv",
    },
    make=make,
    chapter="Compression",
    shown={
        "table": Shown(
            label="springs: table",
            beside=("seeds",),
            caption="""
The numbers of the springs, one row for each base model, way of training, P (``alignment_size``), N (``inverse_size``)
and corpus. ``k`` and ``l`` are ratios of trained tokens; ``trained_tokens`` is how much of the corpus itself was
trained on (nothing of the control). ``delta`` is the change of the bits per byte of held-out text from N = 0 to N;
``slope`` is ``delta`` divided by ``l``, at the smallest N the estimate of the derivative in the theorem; ``force`` is
the number of trained tokens times the change of bits per token, in bits. Means over training seeds with the bounds of
their 95 % t intervals; ``sign`` is that of the slope, 0 where the interval holds 0. Rows *joint - sequential* are
differences between the two ways of training, paired by seed. The file ``tables/seeds/springs-{{ experiment }}.csv`` has
one row per seed. Tokens of a text that is seen in several epochs count once.
""",
        ),
        "ratios": Shown(
            label="springs: ratios",
            caption="""
The theorem's ratio, for each cell. ``slope_ratio`` is the slope of the alignment text divided by that of the
pre-training text: the theorem says −k (ACL version) or k (first version). ``force_ratio`` is F2 / F1, which has
magnitude 1 if the two are springs in series. Slopes are per byte, forces and k by tokens: where tokens of the two texts
have different lengths, the theorem's ratio of slopes and equal forces are not quite the same. Both are ratios of means
over training seeds, with the 95 % interval of Fieller (1954). Bounds are missing with one seed, and where the data do
not exclude that the pre-training text does not move at all, so that the ratio may be anything.
""",
        ),
        "exponents": Shown(
            label="springs: exponents",
            caption=r"""
The exponent of \|Δγ\| against the trained tokens of the corpus, at each N: −1 if the stiffness of a spring is
proportional to the amount of its data. For the alignment text it is taken over the P of a base model, which all get the
same perturbation; for the pre-training text over the checkpoints of one pre-training run, where an experiment has three
of them or more. Unless the schedule of that run is constant, earlier checkpoints were taken at another learning rate,
whose effect cannot be separated from that of \|D1\|. It is the slope of a straight line through the logarithms, for
each seed; then mean and 95 % t interval over seeds. Empty where the change does not have the same sign at all sizes,
because a power law has no zero to cross.
""",
        ),
    },
)
