"""Compression rates as a graph: which texts each model is measured on, and what packs them."""

from types import SimpleNamespace

from elasticity.analysis.jobs import ArithmeticCodingTableJob, SpringBase, SpringRun, SpringsFigureJob, SpringsJob
from elasticity.config import cells
from elasticity.config.base import Opposed
from elasticity.config.compression import Compression, Corpus
from elasticity.config.experiments import Rebound, inverse_data
from elasticity.config.models import Pretrained
from elasticity.evaluation.jobs import ArithmeticCodingJob, CompressionJob
from elasticity.pipeline import runs
from elasticity.pipeline.materials import Wildcards, table_and_figure, to_json
from elasticity.pipeline.rebound import PlanPart
from elasticity.pipeline.runs import InverseStage, RunSizes, inverse_stages
from elasticity.training.jobs import FineTuneJob, JointJob


class CompressionPlan(PlanPart):
    """The measurements of the rebound experiments that ask for them."""

    def targets(self) -> list[str]:
        """The tables and figures."""
        found = []
        for name, rebound in self.study.rebound.items():
            if rebound.compression:
                kinds = ("compression", "coding") if self._settings.coded else ("compression",)
                for kind in kinds:
                    found += table_and_figure(self.results, f"{kind}-{name}")
        return found

    @property
    def _settings(self) -> Compression:
        assert self.study.compression, "checked when the study is read"
        return self.study.compression

    def corpora(self, task: str, base: str, side: Opposed, inverse: str) -> dict[Corpus, str]:
        """The held-out texts of what a model saw and of the control, those that there are.

        ``inverse`` is the recipe of the inverse stage.
        """
        held_out = f"{self.results}/{{}}/splits/held-out-{{}}.parquet"
        pretrained_on, control = self.study.pretrained_on(base), self._settings.control
        found: dict[Corpus, str] = {}
        if pretrained_on is not None:
            found["pretraining"] = held_out.format(pretrained_on, "pretraining")
        found["alignment"] = held_out.format(task, side)
        found["perturbation"] = f"{self.results}/{inverse_data(self.study.recipe(inverse), task, side).held_out}"
        if control is not None:
            found["control"] = held_out.format(control, "pretraining")
        return found

    def _of(self, wildcards: Wildcards) -> dict[Corpus, str]:
        return self.corpora(wildcards.task, wildcards.base, wildcards.side, wildcards.inverse_recipe)

    def texts(self, wildcards: Wildcards) -> list[str]:
        """The texts that a job measures."""
        return list(self._of(wildcards).values())

    def job(self, wildcards: Wildcards) -> str:
        """Of a run of the inverse stage beside its base model."""
        return self._job(wildcards, runs.parse(wildcards.run_sizes), self.plan.cell(wildcards))

    def base_job(self, wildcards: Wildcards) -> str:
        """Of a base model."""
        return self._job(wildcards, (self.study.bases[wildcards.base][1],), None)

    def _job(self, wildcards: Wildcards, checkpoints: RunSizes, cell: cells.Cell | None) -> str:
        job = CompressionJob(
            base=wildcards.base,
            base_checkpoint=self.study.bases[wildcards.base][1],
            cell=cell,
            checkpoints=checkpoints,
            corpora=tuple(self._of(wildcards)),
            reading=self._settings.reading,
        )
        return to_json(job)

    def arithmetic_coding_job(self, wildcards: Wildcards) -> str:
        """Of a base model and the first texts of each corpus."""
        job = ArithmeticCodingJob(
            base=wildcards.base,
            base_checkpoint=self.study.bases[wildcards.base][1],
            corpora=tuple(self._of(wildcards)),
            reading=self._settings.reading,
            texts=self._settings.coded,
        )
        return to_json(job)

    def rates(self, wildcards: Wildcards) -> list[str]:
        """The rates of the cells of an experiment."""
        runs = self.plan.experiment_runs(self.plan.rebound(wildcards))
        return [f"{self.plan.inverse_run(*run)}/compression.parquet" for run in runs]

    def base_rates(self, wildcards: Wildcards) -> list[str]:
        """The rates of the base models of an experiment."""
        return [f"{folder}/compression.parquet" for folder in self._bases(wildcards)]

    def codes(self, wildcards: Wildcards) -> list[str]:
        """What the base models of an experiment packed."""
        return [f"{folder}/coding.parquet" for folder in self._bases(wildcards)]

    def _bases(self, wildcards: Wildcards) -> list[str]:
        rebound = self.plan.rebound(wildcards)
        place = f"{rebound.alignment_side}/{rebound.inverse_recipe}"
        return [f"{self.results}/{rebound.task}/rebound/{base}/{place}" for base in rebound.bases]

    def coded_texts(self, wildcards: Wildcards) -> list[str]:
        """The texts that the models of an experiment are measured on."""
        return sorted({path for _, _, path in self._of_bases(self.plan.rebound(wildcards))})

    def _of_bases(self, rebound: Rebound) -> list[tuple[str, Corpus, str]]:
        return [
            (base, corpus, path)
            for base in rebound.bases
            for corpus, path in self.corpora(rebound.task, base, rebound.alignment_side, rebound.inverse_recipe).items()
        ]

    def arithmetic_coding_table_job(self, wildcards: Wildcards) -> str:
        """Of an experiment."""
        corpora = tuple(self._of_bases(self.plan.rebound(wildcards)))
        return to_json(ArithmeticCodingTableJob(corpora=corpora, reading=self._settings.reading))


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
        recipes = [self.study.recipe(name) for name in (rebound.alignment_recipe, rebound.inverse_recipe)]
        fitted = all(recipe.algorithm.kind == "sft" for recipe in recipes)
        if not (rebound.compression and fitted and rebound.inverse_sizes[0] == 0 and len(rebound.inverse_sizes) > 1):
            return []
        found = {base: self.study.bases[base] for base in rebound.bases}
        return [base for base, (model, updates) in found.items() if updates and model in self.plan.pretrained]

    def _model(self, base: str) -> tuple[str, Pretrained]:
        name = self.study.bases[base][0]
        return name, self.plan.pretrained[name]

    # Joint training

    def texts(self, wildcards: Wildcards) -> str:
        """What the base model was pre-trained on."""
        return self.plan.pretraining_split(self._pretraining(wildcards))

    def tokenizer(self, wildcards: Wildcards) -> str:
        """The folder of the base model's tokenizer."""
        return self.plan.model_tokenizer(self._pretraining(wildcards))

    def tokenizer_made(self, wildcards: Wildcards) -> str:
        """The file that says that it is there."""
        return self.plan.model_tokenizer_made(self._pretraining(wildcards))

    def _pretraining(self, wildcards: Wildcards) -> Wildcards:
        return SimpleNamespace(model=self.study.bases[wildcards.base][0])

    def inverse(self, wildcards: Wildcards) -> str:
        """The examples of the inverse stage, which is fitted: there is one split."""
        (examples,) = self.plan.inverse_splits(wildcards)
        return examples

    def joint_job(self, wildcards: Wildcards) -> str:
        """Of a cell; its run has one checkpoint."""
        (size,) = runs.parse(wildcards.run_sizes)
        skip = self.plan.inverse_data(wildcards).skip(int(wildcards.alignment_size))
        job = JointJob(
            base=wildcards.base,
            cell=self.plan.cell(wildcards),
            checkpoint=size,
            model=self._model(wildcards.base)[1],
            alignment=self._side(wildcards, wildcards.alignment_recipe, int(wildcards.alignment_size)),
            inverse=self._side(wildcards, wildcards.inverse_recipe, size, skip),
        )
        return to_json(job)

    def _side(self, wildcards: Wildcards, recipe: str, size: int, skip: int = 0) -> FineTuneJob:
        return FineTuneJob(
            start=str(self.study.bases[wildcards.base][1]),
            settings=self.study.recipe(recipe),
            sizes=(size,),
            skip=skip,
            seed=int(wildcards.seed),
            template=self.study.tasks[wildcards.task].template,
        )

    def joint_runs(self) -> list[tuple[InverseStage, int]]:
        """The cells that are trained jointly, too, those that experiments share counted once."""
        return sorted(
            {
                (inverse, size)
                for rebound in self.study.rebound.values()
                if rebound.joint
                for inverse in inverse_stages(rebound, self.study.seeds)
                for size in rebound.inverse_sizes
            }
        )

    def joint_run(self, inverse: InverseStage, size: int) -> str:
        """The folder of a cell that is trained jointly."""
        return f"{self.results}/{inverse.folder}/joint/{size}"

    # Judgement

    def _runs(self, wildcards: Wildcards) -> list[tuple[InverseStage, RunSizes]]:
        """The inverse stages of an experiment."""
        rebound = self.plan.rebound(wildcards)
        bases = self.bases(rebound)
        return [run for run in self.plan.experiment_runs(rebound) if run[0].alignment.base in bases]

    def rates(self, wildcards: Wildcards) -> list[str]:
        """What was measured of sequential training."""
        return [f"{self.plan.inverse_run(*run)}/compression.parquet" for run in self._runs(wildcards)]

    def _joint(self, wildcards: Wildcards, file: str) -> list[str]:
        rebound = self.plan.rebound(wildcards)
        inverses = sorted(inverse_stages(rebound, self.study.seeds)) if rebound.joint else []
        return [f"{self.joint_run(inverse, size)}/{file}" for inverse in inverses for size in rebound.inverse_sizes]

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

    def alignment_losses(self, wildcards: Wildcards) -> list[str]:
        """The alignment stage that each run starts from, in the order of the runs."""
        return [f"{self.plan.started_from(inverse)}/losses.parquet" for inverse, _ in self._runs(wildcards)]

    def inverse_losses(self, wildcards: Wildcards) -> list[str]:
        """Each run, in their order."""
        return [f"{self.plan.inverse_run(*run)}/losses.parquet" for run in self._runs(wildcards)]

    def table_job(self, wildcards: Wildcards) -> str:
        """Of an experiment."""
        rebound = self.plan.rebound(wildcards)
        job = SpringsJob(
            experiment=rebound,
            seeds=self.study.seeds,
            alignment=self.study.recipe(rebound.alignment_recipe),
            inverse=self.study.recipe(rebound.inverse_recipe),
            bases=tuple(self._base(base) for base in self.bases(rebound)),
            runs=tuple(
                SpringRun(
                    base=inverse.alignment.base,
                    seed=inverse.alignment.seed,
                    alignment_size=inverse.alignment_size,
                    inverse_sizes=tuple(size for size in run_sizes if size in rebound.inverse_sizes),
                )
                for inverse, run_sizes in self._runs(wildcards)
            ),
        )
        return to_json(job)

    def _base(self, base: str) -> SpringBase:
        name, model = self._model(base)
        examples = self.study.bases[base][1] * model.optimization.batch_size
        return SpringBase(base=base, model=name, examples=examples)

    def figure_job(self, wildcards: Wildcards) -> str:
        """The panels of an experiment."""
        return to_json(SpringsFigureJob(bases=tuple(self.bases(self.plan.rebound(wildcards)))))
