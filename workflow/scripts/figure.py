"""Draw a figure: ``figure.py NAME JOB --tables PATH ... --figures PATH ...``, in the format of each path's suffix.

The figures are registered in the modules of ``elasticity.plots``.
"""

import json
import sys
from pathlib import Path
from typing import Any

from elasticity.analysis.table import read_csv
from elasticity.core.errors import errors_for_people
from elasticity.plots.figure import FIGURES, FigureJob
from elasticity.plots.style import save
from elasticity.runtime.command import Command


def read(path: Path) -> Any:
    """A table as a data frame, or the object in a JSON file."""
    return json.loads(path.read_text()) if path.suffix == ".json" else read_csv(path)


with errors_for_people():
    figure = FIGURES[sys.argv[1] if len(sys.argv) > 1 else ""]

with Command(__doc__, FigureJob, "tables", output="figures", arguments=sys.argv[2:]) as command:
    save(figure.draw(*map(read, command.paths("tables")), command.job), command.paths("figures"))
