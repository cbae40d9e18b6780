"""The table of checks of an experiment: what has to hold before claims about its measures are tested."""

import json
from typing import TYPE_CHECKING, Any

from elasticity.analysis.jobs import ChecksJob
from elasticity.analysis.table import Shown, Table, read_csv, write_csv

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.analysis.checks.inputs import CheckInputs
    from elasticity.runtime.command import Command

COLUMNS = ["base", "check", "title", "value", "needed", "holds", "more_seeds"]


def checks_table(inputs: "dict[str, CheckInputs]") -> "pd.DataFrame":
    """One row for each base model and each check that the experiment measures, with the columns ``COLUMNS``."""
    import pandas as pd

    from elasticity.config.checks import CHECKS

    rows = []
    for base, own in inputs.items():
        for name in CHECKS.names():
            check = CHECKS[name]
            if found := check.compute(own):
                numbers = {"value": found.value, "needed": check.needed, "holds": found.holds}
                numbers["more_seeds"] = found.more_seeds
                rows.append({"base": base, "check": name, "title": check.title} | numbers)
    return pd.DataFrame(rows, columns=COLUMNS)


def make(command: "Command[ChecksJob]") -> None:
    """Write the table of an experiment."""
    from elasticity.analysis.checks.inputs import CheckInputs
    from elasticity.analysis.tables.measures import read_measures

    def rows_of(option: str, base: str) -> "pd.DataFrame | None":
        tables = [read_csv(path) for path in command.paths(option)]
        return tables[0][tables[0]["base"] == base] if tables else None

    measures = read_measures(command.path("measures"))
    quality: dict[str, Any] = next((json.loads(path.read_text()) for path in command.paths("quality")), {})
    inputs = {
        base: CheckInputs(
            measures=measures[measures["base"] == base],
            rebound=rows_of("rebound", base),
            resistance=rows_of("resistance", base),
            quality=quality,
        )
        for base in command.job.bases
    }
    write_csv(checks_table(inputs), command.path("table"))


TABLE = Table(
    job=ChecksJob,
    of="experiment",
    inputs=("measures",),
    optional=("rebound", "resistance", "quality"),
    outputs={"table": "checks-{experiment}.csv"},
    make=make,
    chapter="Verdicts",
    subject="{experiment}",
    shown={
        "table": Shown(
            label="checks",
            caption="""
What has to hold before a claim about this experiment is tested, with the number that was measured. A claim is *not
testable* where a check that its measure needs does not hold for one of its base models, or for its control. Bounds are
the lower ends of one-sided 95 % t intervals over seeds; ``more_seeds`` says where more seeds may lift one above 0. A
check is missing where the study does not measure what it needs.
""",
        )
    },
)
