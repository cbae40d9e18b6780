"""The claims as a graph: what their verdicts are made from."""

from collections.abc import Iterator

from elasticity.analysis.jobs import PlannedClaim, VerdictsFigureJob, VerdictsJob
from elasticity.config.claims import Claim
from elasticity.config.experiments import Rebound, Resistance
from elasticity.config.models import Pretrained, TunedModel
from elasticity.config.study import Study
from elasticity.pipeline.analyses import CalibrationPlan, MeasuresPlan, PublishedPlan, TextStatisticsPlan, TheoryPlan
from elasticity.pipeline.compression import CompressionPlan, SpringsPlan
from elasticity.pipeline.materials import Wildcards, table_and_figure, to_json
from elasticity.pipeline.rebound import Plan, PlanPart, RealignmentPlan
from elasticity.pipeline.resistance import ResistancePlan
from elasticity.report.card_schema import CardJob
from elasticity.report.contents import Showing
from elasticity.report.page import ReportJob


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
            for inverse, run_sizes in self.plan.experiment_runs(self.study.rebound[name]):
                yield f"{self.plan.inverse_run(inverse, run_sizes)}/metrics.json"
                first = inverse.alignment
                yield from (
                    f"{self.plan.alignment_run(first, it)}/metrics.json" for it in self.plan.alignment_runs(first)
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
            claims=tuple(self._planned(name, claim) for name, claim in self.study.claims.items()),
            seeds=self.study.seeds,
            experiments=tuple(self._measured),
            tasks=tuple(self._tasks),
            rebound={
                name: self.plan.experiment_cells(self.study.rebound[name])
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
            figure=f"figures/{claim.kind}-{claim.experiment}{own}.svg",
            table=f"tables/measures-{claim.experiment}.csv",
        )

    def figure_job(self) -> str:
        """Nothing to say."""
        return to_json(VerdictsFigureJob())


def targets(study: Study) -> list[str]:
    """The main files of all tables and figures; the rules that make them write others beside them."""
    plan = Plan(study)
    return [
        *plan.targets(),
        *RealignmentPlan(plan).targets(),
        *TextStatisticsPlan(plan).targets(),
        *ResistancePlan(study).targets(),
        *MeasuresPlan(plan).targets(),
        *CompressionPlan(plan).targets(),
        *SpringsPlan(plan).targets(),
        *PublishedPlan(study).targets(),
        *TheoryPlan(study).targets(),
        *CalibrationPlan(study).targets(),
        *VerdictsPlan(plan).targets(),
    ]


EXPERIMENT_TABLES = ("measures", "divergence", "compression", "springs", "text_statistics")


class CardPlan(PlanPart):
    """Each is made from the tables that the study makes anyway, and from the metrics of the training jobs."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._made = set(targets(plan.study))

    def targets(self) -> list[str]:
        """The cards."""
        bases = dict.fromkeys(base for _, experiment in self._experiments() for base in experiment.bases)
        return [f"{self.results}/cards/{base}.json" for base in bases]

    def _experiments(self) -> list[tuple[str, Rebound | Resistance]]:
        return [*self.study.rebound.items(), *self.study.resistance.items()]

    def job(self, wildcards: Wildcards) -> str:
        """Of a base model."""
        study, base = self.study, wildcards.base
        job = CardJob(
            study=study.name,
            base=base,
            model=study.models[study.bases[base][0]],
            seeds=study.seeds,
            rebound={name: it for name, it in study.rebound.items() if base in it.bases},
            resistance={name: it for name, it in study.resistance.items() if base in it.bases},
        )
        return to_json(job)

    def tables(self, wildcards: Wildcards) -> list[str]:
        """Those of its experiments and tasks, as far as the study makes them."""
        own = [(name, it.task) for name, it in self._experiments() if wildcards.base in it.bases]
        names = [f"{kind}-{name}" for name, _ in own for kind in EXPERIMENT_TABLES]
        names += [f"bits-per-byte-{task}" for _, task in own]
        files = (f"{self.results}/tables/{name}.csv" for name in (*dict.fromkeys(names), "verdicts"))
        return [file for file in files if file in self._made]

    def declared(self, _: Wildcards) -> list[str]:
        """Which claims there were when models were trained, if anything is claimed."""
        verdicts = f"{self.results}/tables/verdicts.csv" in self._made
        return [f"{self.results}/tables/claims.json"] if verdicts else []

    def metrics(self, wildcards: Wildcards) -> list[str]:
        """Of the model, if it was made here, and of every training job on it."""
        base = wildcards.base
        folders = [f"{self.results}/models/{self.study.bases[base][0]}"]
        for alignment in sorted(self.plan.alignment_sizes):
            if alignment.base == base:
                folders += [self.plan.alignment_run(alignment, it) for it in self.plan.alignment_runs(alignment)]
        folders += [
            self.plan.inverse_run(inverse, run_sizes)
            for inverse, run_sizes in self.plan.inverse_jobs()
            if inverse.alignment.base == base
        ]
        third = RealignmentPlan(self.plan)
        folders += [
            third.run(stage, run_sizes)
            for stage, run_sizes in third.realignment_jobs()
            if stage.inverse.alignment.base == base
        ]
        springs = SpringsPlan(self.plan)
        folders += [springs.joint_run(*run) for run in springs.joint_runs() if run[0].alignment.base == base]
        resistance = ResistancePlan(self.study)
        for name, experiment in self.study.resistance.items():
            if base in experiment.bases:
                folders += resistance.training_folders(name, base)
        return [f"{folder}/metrics.json" for folder in dict.fromkeys(folders)]  # experiments may share slices


class ReportPlan(PlanPart):
    """One page, made of everything that a study is run for and of what that was made from."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        scored = {rebound.task for rebound in plan.study.rebound.values() if plan.is_scored(rebound.task)}
        self.provenance = f"{self.results}/provenance/provenance.json"
        self.inputs = [
            *targets(plan.study),
            *(f"{self.results}/{task}/score-model/quality.json" for task in sorted(scored)),
            *CardPlan(plan).targets(),
            self.provenance,
        ]

    def job(self, showings: tuple[Showing, ...]) -> str:
        """Of the page; ``showings`` are what the rules show that make its inputs."""
        return to_json(ReportJob(study=self.study.name, results=self.results, showings=showings))
