"""Text statistics of responses in the graph."""

from elasticity.config.experiments import Rebound
from elasticity.evaluation.jobs import TextStatisticsJob
from elasticity.pipeline.common import Part, Wildcards, to_json
from elasticity.pipeline.rebound import ReboundJobs
from elasticity.pipeline.runs import inverse_stages


class TextStatisticsJobs(Part):
    """The text statistics of rebound experiments that ask for them; one job for each base model."""

    def __init__(self, rebound: ReboundJobs) -> None:
        super().__init__(rebound.study)
        self.rebound = rebound

    def job(self, wildcards: Wildcards) -> str:
        """Measure all responses of a base model and of its cells; the base model is loaded once."""
        return to_json(TextStatisticsJob(base_checkpoint=self.study.bases[wildcards.base][1]))

    def responses(self, wildcards: Wildcards) -> list[str]:
        """The responses of a base model, and those of its cells in all experiments with text statistics."""
        asking = [r for r in self.study.rebound.values() if r.text_statistics and r.task == wildcards.task]
        inverses = {inverse for rebound in asking for inverse in inverse_stages(rebound, self.study.seeds)}
        files = [
            f"{self.rebound.inverse_run(inverse, run_sizes)}/responses.parquet"
            for inverse in sorted(inverses)
            if inverse.alignment.base == wildcards.base
            for run_sizes in self.rebound.inverse_runs(inverse)
        ]
        return [f"{self.results}/{wildcards.task}/rebound/{wildcards.base}/responses.parquet", *files]

    def measured(self, rebound: Rebound) -> list[str]:
        """The text statistics of an experiment's base models; these files have cells of other experiments, too."""
        return [f"{self.results}/{rebound.task}/rebound/{base}/text-statistics.parquet" for base in rebound.bases]
