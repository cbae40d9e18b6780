"""Claims in the graph: the files and the job spec that verdicts are made from."""

from collections.abc import Iterator

from elasticity.analysis.jobs import PlannedClaim, VerdictsJob
from elasticity.config.claims import Claim
from elasticity.config.models import Pretrained, TunedModel
from elasticity.pipeline.common import Part, to_json
from elasticity.pipeline.rebound import ReboundJobs
from elasticity.pipeline.resistance import ResistanceJobs


class ClaimJobs(Part):
    """The claims of a study, and the files that their verdicts rest on."""

    def __init__(self, rebound: ReboundJobs, resistance: ResistanceJobs) -> None:
        super().__init__(rebound.study)
        self.rebound, self.resistance = rebound, resistance

    def _experiments(self, kind: str, per_prompt: bool = False) -> list[str]:
        """The experiments of a kind that have claims, or only those with claims whose effects exist for each prompt."""
        claims = [claim for claim in self.study.claims.values() if claim.kind == kind]
        return sorted({name for claim in claims if claim.is_per_prompt or not per_prompt for name in claim.experiments})

    @property
    def experiments(self) -> list[str]:
        """The experiments with claims; a rebound and a resistance experiment of the same name share a table."""
        return sorted({*self._experiments("rebound"), *self._experiments("resistance")})

    @property
    def tasks(self) -> list[str]:
        """The tasks whose scores of single prompts are read."""
        return sorted({self.study.rebound[name].task for name in self._experiments("rebound", per_prompt=True)})

    def metrics(self) -> list[str]:
        """The metrics of every training job that a claim rests on; each records the claims at the time of the job."""
        found = {*self._rebound_metrics(), *self._resistance_metrics()}
        return sorted(found | {f"{self.results}/models/{name}/metrics.json" for name in self._trained_models()})

    def _rebound_metrics(self) -> Iterator[str]:
        for name in self._experiments("rebound"):
            for inverse, run_sizes in self.rebound.experiment_runs(self.study.rebound[name]):
                yield f"{self.rebound.inverse_run(inverse, run_sizes)}/metrics.json"
                stage = inverse.alignment
                for alignment_sizes in self.rebound.alignment_runs(stage):
                    yield f"{self.rebound.alignment_run(stage, alignment_sizes)}/metrics.json"

    def _resistance_metrics(self) -> Iterator[str]:
        for name in self._experiments("resistance"):
            for base in self.study.resistance[name].bases:
                yield from (f"{folder}/metrics.json" for folder in self.resistance.training_folders(name, base))

    def _trained_models(self) -> set[str]:
        """The models of the experiments that are trained in the workflow."""
        experiments = [self._bases(claim) for claim in self.study.claims.values()]
        bases = {base for found in experiments for those in found.values() for base in those}
        names = {self.study.bases[base][0] for base in bases}
        return {name for name in names if isinstance(self.study.models[name], Pretrained | TunedModel)}

    def _bases(self, claim: Claim) -> dict[str, tuple[str, ...]]:
        experiments = self.study.rebound if claim.kind == "rebound" else self.study.resistance
        return {name: experiments[name].bases for name in claim.experiments}

    def job(self) -> str:
        """Test all claims."""
        job = VerdictsJob(
            claims=tuple(self._planned(name, claim) for name, claim in self.study.claims.items()),
            seeds=self.study.seeds,
            looks=self.study.looks,
            experiments=tuple(self.experiments),
            tasks=tuple(self.tasks),
            rebound={
                name: self.rebound.table_job(self.study.rebound[name])
                for name in self._experiments("rebound", per_prompt=True)
            },
        )
        return to_json(job)

    def _planned(self, name: str, claim: Claim) -> PlannedClaim:
        bases = self._bases(claim)
        own = f"/{bases[claim.experiment][-1]}" if claim.kind == "resistance" else ""
        return PlannedClaim(
            name=name,
            claim=claim,
            bases=bases,
            max_seeds=claim.max_seeds(self.study.rebound),
            figure=f"figures/{'lean' if claim.entry.outcome == 'lean' else claim.kind}-{claim.experiment}{own}.svg",
            table=f"tables/measures-{claim.experiment}.csv",
        )
