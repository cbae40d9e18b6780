"""The noise of measures between seeds: the table that plans and calibrations read, and the job that makes one."""

from collections.abc import Mapping
from pathlib import Path

from elasticity.analysis.jobs import NoiseJob, NoisePart
from elasticity.config.experiments import Rebound, Resistance
from elasticity.config.measures import Kind
from elasticity.config.study import Study
from elasticity.core.digests import SCRIPTS
from elasticity.core.errors import UserError
from elasticity.pipeline.common import Part, to_json
from elasticity.pipeline.rebound import ReboundJobs

SHIPPED = SCRIPTS.parent / "noise.csv"
"""The noise of the default study, which others take unless they name another study: a copy of its table of noise."""


def noise_file(study: Study) -> Path:
    """The table from which a study takes the noise of its measures."""
    return Path("results", study.noise, "tables/noise.csv") if study.noise else SHIPPED


def check_noise(study: Study) -> None:
    """Raise ``UserError`` if the table of noise that a study names does not exist."""
    if not noise_file(study).is_file():
        raise UserError(
            f"noise: {noise_file(study)} does not exist: run the study {study.noise} first, or leave `noise` out"
        )


class NoiseJobs(Part):
    """The job that estimates the noise of a study's measures from its own seeds."""

    def __init__(self, rebound: ReboundJobs) -> None:
        super().__init__(rebound.study)
        self.rebound = rebound

    @property
    def scored(self) -> list[str]:
        """The rebound experiments whose responses are scored."""
        return [name for name, rebound in self.study.rebound.items() if self.rebound.is_scored(rebound)]

    @property
    def _measured(self) -> dict[str, Rebound]:
        """The rebound experiments that have measures, of scores or of leans."""
        return {name: it for name, it in self.study.rebound.items() if self.rebound.is_scored(it) or it.lean}

    @property
    def experiments(self) -> list[str]:
        """The experiments whose tables of measures the job reads."""
        return sorted({*self._measured, *self.study.resistance})

    @property
    def tasks(self) -> list[str]:
        """The tasks whose scores the job reads."""
        return sorted({self.study.rebound[name].task for name in self.scored})

    @property
    def parts(self) -> tuple[NoisePart, ...]:
        """The experiments whose noise between seeds can be estimated; none with a single seed.

        Experiments that are controls only are compared with, but have no part of their own: in some of them nothing
        moves, and shares of a fall that is none are noise of no other experiment.
        """
        kinds: dict[Kind, Mapping[str, Rebound | Resistance]] = {
            "rebound": self._measured,
            "resistance": self.study.resistance,
        }
        claims = self.study.claims.values()
        controls = {claim.control for claim in claims} - {claim.experiment for claim in claims}
        several = len(self.study.seeds) > 1
        return tuple(
            self._part(kind, name, found)
            for kind, found in kinds.items()
            for name in found
            if several and name not in controls
        )

    def _part(self, kind: Kind, name: str, experiments: Mapping[str, Rebound | Resistance]) -> NoisePart:
        own = experiments[name]
        claims = [claim for claim in self.study.claims.values() if claim.kind == kind and claim.experiment == name]
        return NoisePart(
            experiment=name,
            kind=kind,
            bases=own.bases,
            several_sizes=isinstance(own, Rebound) and len(own.alignment_sizes) > 1,
            controls={claim.control: experiments[claim.control].bases for claim in claims if claim.control},
        )

    def job(self) -> str:
        """Estimate the noise of each measure."""
        job = NoiseJob(
            parts=self.parts,
            experiments=tuple(self.experiments),
            tasks=tuple(self.tasks),
            rebound={name: self.rebound.table_job(self.study.rebound[name]) for name in self.scored},
        )
        return to_json(job)
