"""Calibration in the graph: the simulated experiments on which the error rates of a study's tests are computed."""

from elasticity.analysis.jobs import CalibrationJob, Design
from elasticity.config.calibration import Calibration
from elasticity.pipeline.common import Part, to_json
from elasticity.pipeline.rebound import ReboundJobs


class CalibrationJobs(Part):
    """The job that simulates experiments of the study's own designs."""

    def __init__(self, rebound: ReboundJobs) -> None:
        super().__init__(rebound.study)
        self.rebound = rebound

    @property
    def settings(self) -> Calibration:
        """The settings of the simulated experiments; the defaults if the study has no calibration."""
        return self.study.calibration or Calibration()

    def job(self) -> str:
        """Simulate each design, and test its claims as the study's own."""
        job = CalibrationJob(
            settings=self.settings,
            seeds=len(self.study.seeds),
            designs=self.designs(),
            resistance=tuple(self.study.resistance),
            claims=self.study.claims,
            max_seeds={
                name: limit for name, it in self.study.claims.items() if (limit := it.max_seeds(self.study.rebound))
            },
            looks=self.study.looks,
        )
        return to_json(job)

    def designs(self) -> dict[str, Design]:
        """The designs of experiments by the names of all that share one. N = 0 alone is no design.

        Names of designs of the lean end with `, lean`.
        """
        names: dict[Design, list[str]] = {}
        for name, rebound in self.study.rebound.items():
            if rebound.inverse_sizes[-1] == 0:
                continue
            sizes = Design(
                alignment_sizes=rebound.alignment_sizes,
                inverse_sizes=rebound.inverse_sizes,
                seeds=len(rebound.seeds_of(self.study.seeds)),
            )
            if self.rebound.is_scored(rebound):
                prompts = self.study.tasks[rebound.task].splits.prompts
                draws = self.study.base_draws // len(self.study.seeds)
                scored = sizes.model_copy(update={"prompts": prompts, "base_draws": draws})
                names.setdefault(scored, []).append(name)
            if rebound.lean:
                names.setdefault(sizes.model_copy(update={"outcome": "lean"}), []).append(name)
        marks = {"score": (), "lean": ("lean",)}
        return {", ".join((*those, *marks[design.outcome])): design for design, those in names.items()}
