"""The table of the elasticity theorem, evaluated without a model."""

from typing import TYPE_CHECKING

from elasticity.analysis.table import Shown, Table, write_csv
from elasticity.config.compression import Theory

if TYPE_CHECKING:
    from elasticity.runtime.command import Command


def make(command: "Command[Theory]") -> None:
    """Write the table."""
    from elasticity.analysis.theory import theory_table

    write_csv(theory_table(command.job), command.path("table"))


TABLE = Table(
    job=Theory,
    of="study",
    outputs={"table": "theory.csv"},
    make=make,
    chapter="Theory",
    subject="theorem",
    shown={
        "table": Shown(
            label="table",
            caption="""
The numbers of the figure, for more l. ``perturbation``: whose leaf masses D3 has, independent ones or those of D1
(``pretraining``) or D2 (``alignment``). ``normalisation``: γ − log M (``difference``, ACL 2025), or the ratio to the
joint rate of the first arXiv version (``ratio``). ``slope``: dγ/dl in nats per leaf by quadrature, with ``error``;
``sampled`` and ``standard_error``: the same by Monte Carlo; ``expanded``: leading order for large k. ``over_first``:
dγ2/dl over dγ1/dl.
""",
        )
    },
)
