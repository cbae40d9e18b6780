"""The elasticity cards as a graph: one for each base model of the experiments."""

from elasticity.card import CardJob
from elasticity.experiments import Rebound, Resistance
from elasticity.materials_plan import Wildcards, to_json
from elasticity.plan import Plan
from elasticity.plan_part import PlanPart
from elasticity.resistance_plan import ResistancePlan
from elasticity.springs_plan import SpringsPlan
from elasticity.targets import targets
from elasticity.third_plan import ThirdPlan

EXPERIMENT_TABLES = ("measures", "divergence", "compression", "springs", "usefulness")


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
        names += [f"bases-{task}" for _, task in own]
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
        for trajectory in sorted(self.plan.first_sizes):
            if trajectory.base == base:
                folders += [self.plan.first_run(trajectory, it) for it in self.plan.first_ladders(trajectory)]
        folders += [
            self.plan.second_run(second, ladder)
            for second, ladder in self.plan.second_side_jobs()
            if second.trajectory.base == base
        ]
        third = ThirdPlan(self.plan)
        folders += [
            third.run(stage, ladder)
            for stage, ladder in third.third_stage_jobs()
            if stage.second.trajectory.base == base
        ]
        springs = SpringsPlan(self.plan)
        folders += [springs.joint_run(*run) for run in springs.joint_runs() if run[0].trajectory.base == base]
        resistance = ResistancePlan(self.study)
        for name, experiment in self.study.resistance.items():
            if base in experiment.bases:
                folders += resistance.training_folders(name, base)
        return [f"{folder}/metrics.json" for folder in dict.fromkeys(folders)]  # experiments may share slices
