"""The command line of a script: one job as JSON, then its files by name."""

import argparse
from pathlib import Path
from typing import Generic, TypeVar

from elasticity.settings import Section

Job = TypeVar("Job", bound=Section)


class Command(Generic[Job]):
    """``SCRIPT JOB --name PATH [PATH ...] ...``: the job checked against its type, every name required."""

    def __init__(self, doc: str | None, job: type[Job], *names: str) -> None:
        parser = argparse.ArgumentParser(description=doc)
        parser.add_argument("job", help=f"JSON of a {job.__name__} (see elasticity/jobs.py)")
        for name in names:
            parser.add_argument(f"--{name}", nargs="+", type=Path, required=True, metavar="PATH")
        arguments = vars(parser.parse_args())
        self.job = job.model_validate_json(arguments.pop("job"))
        self._paths: dict[str, list[Path]] = arguments

    def path(self, name: str) -> Path:
        """The single path with this name."""
        (path,) = self._paths[name]
        return path

    def paths(self, name: str) -> list[Path]:
        """All paths with this name."""
        return self._paths[name]
