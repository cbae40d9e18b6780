"""The claims as a graph: what their verdicts are made from."""

from collections.abc import Iterator

from elasticity import ladders
from elasticity.calibration_plan import CalibrationPlan
from elasticity.claims import Claim
from elasticity.experiments import Rebound
from elasticity.judging_jobs import ReboundJudgeJob
from elasticity.materials_plan import Wildcards, to_json
from elasticity.measures_plan import MeasuresPlan
from elasticity.model_settings import Pretrained, TunedModel
from elasticity.plan import Plan, second_sides
from elasticity.resistance_plan import ResistancePlan
from elasticity.verdicts_jobs import JudgedClaim, VerdictsFigureJob, VerdictsJob


class VerdictsPlan:
    """One table and one figure, if the study claims anything."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.study = plan.study
        self.results = plan.results

    def targets(self) -> list[str]:
        """The table and the figure."""
        files = [f"{self.results}/tables/verdicts.csv", f"{self.results}/figures/verdicts.svg"]
        return files if self.study.claims else []

    def _experiments(self, kind: str, per_prompt: bool = False) -> list[str]:
        """The experiments of a kind that are claimed about, or those whose prompts have effects of their own."""
        claims = [claim for claim in self.study.claims.values() if claim.kind == kind]
        return sorted({name for claim in claims if claim.is_per_prompt or not per_prompt for name in claim.experiments})

    @property
    def _measured(self) -> list[str]:
        """Experiments of both kinds that share a name share a table."""
        return sorted({*self._experiments("rebound"), *self._experiments("resistance")})

    @property
    def _tasks(self) -> list[str]:
        return sorted({self.study.rebound[name].task for name in self._experiments("rebound", per_prompt=True)})

    def measures(self, _: Wildcards) -> list[str]:
        """The measures of the experiments that are claimed about."""
        return [MeasuresPlan(self.plan).table(name) for name in self._measured]

    def scores(self, _: Wildcards) -> list[str]:
        """The scores of each prompt."""
        return [f"{self.results}/{task}/scores.parquet" for task in self._tasks]

    def calibration(self, _: Wildcards) -> list[str]:
        """What is known of the tests' own error rates, if the study asks for it."""
        return [CalibrationPlan(self.study).table] if self.study.calibration else []

    def metrics(self, _: Wildcards) -> list[str]:
        """Of every training job that a claim rests on: they say what was claimed when it ran."""
        found = {*self._rebound_metrics(), *self._resistance_metrics()}
        return sorted(found | {f"{self.results}/models/{name}/metrics.json" for name in self._trained_models()})

    def _rebound_metrics(self) -> Iterator[str]:
        for name in self._experiments("rebound"):
            for second in second_sides(self.study.rebound[name], self.study.seeds):
                folder = f"{self.results}/{second.trajectory.folder}/P"
                yield from (
                    f"{folder}/{ladders.name(ladder)}/metrics.json"
                    for ladder in self.plan.first_ladders(second.trajectory)
                )
                yield from (
                    f"{self.plan.second_run(second, ladder)}/metrics.json"
                    for ladder in self.plan.second_ladders(second)
                )

    def _resistance_metrics(self) -> Iterator[str]:
        resistance = ResistancePlan(self.study)
        for name in self._experiments("resistance"):
            for base in self.study.resistance[name].bases:
                yield from (f"{folder}/metrics.json" for folder in resistance.training_folders(name, base))

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
        """All claims, and where to look."""
        job = VerdictsJob(
            claims=tuple(self._judged(name, claim) for name, claim in self.study.claims.items()),
            seeds=self.study.seeds,
            experiments=tuple(self._measured),
            tasks=tuple(self._tasks),
            rebound={name: self._judge_job(name) for name in self._experiments("rebound", per_prompt=True)},
        )
        return to_json(job)

    def _judged(self, name: str, claim: Claim) -> JudgedClaim:
        bases = self._bases(claim)
        own = f"/{bases[claim.experiment][-1]}" if claim.kind == "resistance" else ""
        return JudgedClaim(
            name=name,
            claim=claim,
            bases=bases,
            figure=f"figures/{claim.kind}-{claim.experiment}{own}.svg",
            table=f"tables/measures-{claim.experiment}.csv",
        )

    def _judge_job(self, name: str) -> ReboundJudgeJob:
        experiment: Rebound = self.study.rebound[name]
        second_side = self.study.recipe(experiment.second_recipe)
        return ReboundJudgeJob(experiment=experiment, seeds=self.study.seeds, second_side=second_side)

    def figure_job(self) -> str:
        """Nothing to say."""
        return to_json(VerdictsFigureJob())
