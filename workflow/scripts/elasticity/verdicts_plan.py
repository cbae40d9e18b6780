"""The claims as a graph: what their verdicts are made from."""

from collections.abc import Iterator

from elasticity.calibration_plan import CalibrationPlan
from elasticity.claims import Claim
from elasticity.materials_plan import Wildcards, table_and_figure, to_json
from elasticity.measures_plan import MeasuresPlan
from elasticity.model_settings import Pretrained, TunedModel
from elasticity.plan_part import PlanPart
from elasticity.resistance_plan import ResistancePlan
from elasticity.verdicts_jobs import JudgedClaim, VerdictsFigureJob, VerdictsJob


class VerdictsPlan(PlanPart):
    """One table and one figure, if the study claims anything."""

    def targets(self) -> list[str]:
        """The table and the figure."""
        return table_and_figure(self.results, "verdicts") if self.study.claims else []

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
            for second, ladder in self.plan.experiment_runs(self.study.rebound[name]):
                yield f"{self.plan.second_run(second, ladder)}/metrics.json"
                first = second.trajectory
                yield from (f"{self.plan.first_run(first, it)}/metrics.json" for it in self.plan.first_ladders(first))

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
            rebound={
                name: self.plan.judged_cells(self.study.rebound[name])
                for name in self._experiments("rebound", per_prompt=True)
            },
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

    def figure_job(self) -> str:
        """Nothing to say."""
        return to_json(VerdictsFigureJob())
