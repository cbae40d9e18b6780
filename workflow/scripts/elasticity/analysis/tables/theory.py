"""The tables of the elasticity theorem, evaluated without a model."""

from typing import TYPE_CHECKING

from elasticity.analysis.table import Shown, Table, write_csv
from elasticity.config.compression import Theory

if TYPE_CHECKING:
    from elasticity.runtime.command import Command


def make(command: "Command[Theory]") -> None:
    """Write the derivatives, the verdicts on the published claims, and the shares at which signs turn."""
    from elasticity.analysis.theory import claims_table, theory_table, turns_table

    table = theory_table(command.job)
    write_csv(table, command.path("table"))
    write_csv(claims_table(table), command.path("claims"))
    write_csv(turns_table(command.job), command.path("turns"))


TABLE = Table(
    job=Theory,
    of="study",
    outputs={"table": "theory.csv", "claims": "theory-claims.csv", "turns": "theory-turns.csv"},
    make=make,
    chapter="Theory",
    subject="theorem",
    shown={
        "claims": Shown(
            label="published claims",
            caption="""
Whether the claim of each version of the paper holds, in each reading of its theorem. ``reading``: the corpora are
``independent``, as the proof assumes; or the pre-training corpus D1 ``contained`` text like D2 and like D3, each with
this ``share`` of D1; or D3 has the leaf masses of D1 (``pretraining``) or of D2 (``alignment``). ``published`` and
``found`` are the signs of dγ/dl of D1 and D2 at the smallest l, over all α and k ("both" if they change). The published
ratio of dγ2/dl to dγ1/dl is of the order of k: ``exponent_low`` and ``exponent_high`` are the least and the largest
exponent of k, over α, with which its size grows from the smallest to the largest k. ``order`` holds if they are 1, and
the ``claim`` if signs and order do.
""",
        ),
        "turns": Shown(
            label="turn of the signs",
            caption="""
If D1 contains text like D2 and like D3, each with the same share of D1, the signs of the ACL version hold above the
share ``turn`` and are reversed below it (l → 0, by quadrature). ``small_variance`` is the same share for leaf masses of
any distribution whose variance is small, (3 − √(3 + 6/k)) / 6. The last k of each α is infinite.
""",
        ),
        "table": Shown(
            label="table",
            caption="""
The numbers of the figure, for more l. ``reading`` and ``share``: what the corpora have in common, as in the table of
published claims. ``normalisation``: γ − log M (``difference``, ACL 2025), or the ratio to the joint rate of the first
arXiv version (``ratio``). ``slope``: dγ/dl in nats per leaf by quadrature, with ``error``; ``sampled`` and
``standard_error``: the same by Monte Carlo; ``expanded``: leading order for large k (not known for the ratio of corpora
that are contained). ``over_first``: dγ2/dl over dγ1/dl.
""",
        ),
    },
)
