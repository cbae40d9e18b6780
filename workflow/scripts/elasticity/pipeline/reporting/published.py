"""Published numbers in the graph: the experiments that are compared with them, and the paper's names of models."""

import csv
import re
from collections.abc import Iterable

from elasticity.analysis.jobs import PublishedJob
from elasticity.core.digests import SCRIPTS
from elasticity.core.errors import UserError
from elasticity.pipeline.common import Part, Wildcards, to_json

PAPER = SCRIPTS.parent / "paper"
"""The folder of the published numbers."""


class PublishedJobs(Part):
    """The comparisons that a study asks for: of resistance, and of the number of examples that revert a model."""

    @property
    def resistance(self) -> list[str]:
        """The resistance experiments that are compared."""
        return [name for name, experiment in self.study.resistance.items() if experiment.published]

    @property
    def rebound(self) -> list[str]:
        """The rebound experiments that are compared."""
        return [name for name, experiment in self.study.rebound.items() if experiment.published]

    def check(self) -> None:
        """Raise ``UserError`` if an experiment is to be compared, but has no model of the paper's table."""
        for name in self.resistance:
            self._models(f"resistance.{name}", self.study.resistance[name].bases, "resistance.csv")
        for name in self.rebound:
            self._models(f"rebound.{name}", self.study.rebound[name].bases, "reversion.csv")

    def resistance_job(self, wildcards: Wildcards) -> str:
        """Compare a resistance experiment with the published cross-entropies."""
        experiment = self.study.resistance[wildcards.experiment]
        models = self._models(f"resistance.{wildcards.experiment}", experiment.bases, "resistance.csv")
        return to_json(PublishedJob(task=experiment.published, models=models))

    def reversion_job(self, wildcards: Wildcards) -> str:
        """Compare a rebound experiment with the published divergences."""
        bases = self.study.rebound[wildcards.experiment].bases
        return to_json(PublishedJob(models=self._models(f"rebound.{wildcards.experiment}", bases, "reversion.csv")))

    def _models(self, where: str, bases: Iterable[str], file: str) -> dict[str, str]:
        """The paper's names of the base models that it has numbers of, found by the names of their origins."""
        published = {_plain(name): name for name in _published_models(file)}
        origins = {base: _plain(self.study.origin(base)) for base in bases}
        found = {base: published[origin] for base, origin in origins.items() if origin in published}
        if not found:
            raise UserError(
                f"{where}.published: the paper has no numbers of {', '.join(origins)}; it has them of "
                f"{', '.join(sorted(published.values()))}: give the models these names, or leave `published` out"
            )
        return found


def _published_models(file: str) -> set[str]:
    with (PAPER / file).open(encoding="utf-8", newline="") as rows:
        return {row["model"] for row in csv.DictReader(rows)}


def _plain(name: str) -> str:
    """The name in lower case without punctuation, so that Llama-2-7b equals Llama2-7B."""
    return re.sub("[^a-z0-9]", "", name.lower())
