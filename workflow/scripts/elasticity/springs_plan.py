"""The springs as a graph: joint training, and the experiments whose compression rates the theorem is set against."""

from types import SimpleNamespace

from elasticity import jobs, ladders, springs_jobs
from elasticity.experiments import Rebound
from elasticity.ladders import Ladder
from elasticity.materials_plan import Wildcards, to_json
from elasticity.model_settings import Pretrained
from elasticity.plan_part import PlanPart
from elasticity.trajectories import SecondSide, second_sides

TABLES = ("springs", "spring-ratios", "spring-exponents")
FIGURES = ("springs", "spring-law")


class SpringsPlan(PlanPart):
    """Of the rebound experiments that measure compression rates of models whose pre-training is known."""

    def targets(self) -> list[str]:
        """The tables and figures."""
        found = []
        for name, rebound in self.study.rebound.items():
            if self.bases(rebound):
                found += [f"{self.results}/tables/{kind}-{name}.csv" for kind in TABLES]
                found += [f"{self.results}/figures/{kind}-{name}.svg" for kind in FIGURES]
        return found

    def bases(self, rebound: Rebound) -> list[str]:
        """The base models of an experiment that the theorem can be set against.

        They are checkpoints of pre-training in the workflow, so |D1| is known, and not 0; both sides are fitted, as
        the theorem has it; and there is a model before the perturbation and one after it.
        """
        recipes = [self.study.recipe(name) for name in (rebound.first_recipe, rebound.second_recipe)]
        fitted = all(recipe.algorithm.kind == "sft" for recipe in recipes)
        if not (rebound.compression and fitted and rebound.second_sizes[0] == 0 and len(rebound.second_sizes) > 1):
            return []
        found = {base: self.study.bases[base] for base in rebound.bases}
        return [base for base, (model, updates) in found.items() if updates and model in self.plan.pretrained]

    def _model(self, base: str) -> tuple[str, Pretrained]:
        name = self.study.bases[base][0]
        return name, self.plan.pretrained[name]

    # Joint training

    def texts(self, wildcards: Wildcards) -> str:
        """What the base model was pre-trained on."""
        return self.plan.pretraining_pool(self._pretraining(wildcards))

    def tokenizer(self, wildcards: Wildcards) -> str:
        """The folder of the base model's tokenizer."""
        return self.plan.model_tokenizer(self._pretraining(wildcards))

    def tokenizer_made(self, wildcards: Wildcards) -> str:
        """The file that says that it is there."""
        return self.plan.model_tokenizer_made(self._pretraining(wildcards))

    def _pretraining(self, wildcards: Wildcards) -> Wildcards:
        return SimpleNamespace(model=self.study.bases[wildcards.base][0])

    def second(self, wildcards: Wildcards) -> str:
        """The examples of the second side, which is fitted: there is one pool."""
        (examples,) = self.plan.second_side_pools(wildcards)
        return examples

    def joint_job(self, wildcards: Wildcards) -> str:
        """Of a cell; its ladder has one rung."""
        (size,) = ladders.parse(wildcards.ladder)
        skip = self.plan.second_data(wildcards).skip(int(wildcards.first))
        job = springs_jobs.JointJob(
            base=wildcards.base,
            cell=self.plan.cell(wildcards),
            rung=size,
            model=self._model(wildcards.base)[1],
            first=self._side(wildcards, wildcards.recipe, int(wildcards.first)),
            second=self._side(wildcards, wildcards.second, size, skip),
        )
        return to_json(job)

    def _side(self, wildcards: Wildcards, recipe: str, size: int, skip: int = 0) -> jobs.FineTuneJob:
        return jobs.FineTuneJob(
            start=str(self.study.bases[wildcards.base][1]),
            settings=self.study.recipe(recipe),
            sizes=(size,),
            skip=skip,
            seed=int(wildcards.seed),
            template=self.study.tasks[wildcards.task].template,
        )

    def joint_runs(self) -> list[tuple[SecondSide, int]]:
        """The cells that are trained jointly, too, those that experiments share counted once."""
        return sorted(
            {
                (second, size)
                for rebound in self.study.rebound.values()
                if rebound.joint
                for second in second_sides(rebound, self.study.seeds)
                for size in rebound.second_sizes
            }
        )

    def joint_run(self, second: SecondSide, size: int) -> str:
        """The folder of a cell that is trained jointly."""
        return f"{self.results}/{second.folder}/joint/{size}"

    # Judgement

    def _runs(self, wildcards: Wildcards) -> list[tuple[SecondSide, Ladder]]:
        """The second sides of an experiment."""
        rebound = self.plan.rebound(wildcards)
        bases = self.bases(rebound)
        return [run for run in self.plan.experiment_runs(rebound) if run[0].trajectory.base in bases]

    def rates(self, wildcards: Wildcards) -> list[str]:
        """What was measured of sequential training."""
        return [f"{self.plan.second_run(*run)}/compression.parquet" for run in self._runs(wildcards)]

    def _joint(self, wildcards: Wildcards, file: str) -> list[str]:
        rebound = self.plan.rebound(wildcards)
        seconds = sorted(second_sides(rebound, self.study.seeds)) if rebound.joint else []
        return [f"{self.joint_run(second, size)}/{file}" for second in seconds for size in rebound.second_sizes]

    def joint_rates(self, wildcards: Wildcards) -> list[str]:
        """What was measured of joint training."""
        return self._joint(wildcards, "compression.parquet")

    def joint_amounts(self, wildcards: Wildcards) -> list[str]:
        """What joint training saw."""
        return self._joint(wildcards, "amounts.parquet")

    def base_losses(self, wildcards: Wildcards) -> list[str]:
        """The pre-training of each base, in their order."""
        bases = self.bases(self.plan.rebound(wildcards))
        return [f"{self.results}/models/{self._model(base)[0]}/losses.parquet" for base in bases]

    def first_losses(self, wildcards: Wildcards) -> list[str]:
        """The first side that each run starts from, in the order of the runs."""
        return [f"{self.plan.started_from(second)}/losses.parquet" for second, _ in self._runs(wildcards)]

    def second_losses(self, wildcards: Wildcards) -> list[str]:
        """Each run, in their order."""
        return [f"{self.plan.second_run(*run)}/losses.parquet" for run in self._runs(wildcards)]

    def judge_job(self, wildcards: Wildcards) -> str:
        """Of an experiment."""
        rebound = self.plan.rebound(wildcards)
        job = springs_jobs.SpringsJob(
            experiment=rebound,
            seeds=self.study.seeds,
            first_side=self.study.recipe(rebound.first_recipe),
            second_side=self.study.recipe(rebound.second_recipe),
            bases=tuple(self._base(base) for base in self.bases(rebound)),
            runs=tuple(
                springs_jobs.SpringRun(
                    base=second.trajectory.base,
                    seed=second.trajectory.seed,
                    first_size=second.first_size,
                    second_sizes=tuple(size for size in ladder if size in rebound.second_sizes),
                )
                for second, ladder in self._runs(wildcards)
            ),
        )
        return to_json(job)

    def _base(self, base: str) -> springs_jobs.SpringBase:
        name, model = self._model(base)
        examples = self.study.bases[base][1] * model.optimization.batch_size
        return springs_jobs.SpringBase(base=base, model=name, examples=examples)

    def figure_job(self, wildcards: Wildcards) -> str:
        """The panels of an experiment."""
        return to_json(springs_jobs.SpringsFigureJob(bases=tuple(self.bases(self.plan.rebound(wildcards)))))
