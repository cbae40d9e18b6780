"""What is measured of the models of rebound experiments, in the jobs that train them, and of their base models."""

from collections.abc import Iterable

from elasticity.config.cells import Cell, RealignmentCell
from elasticity.config.experiments import OTHER_ORDER, Rebound
from elasticity.core.run_names import sizes_in
from elasticity.evaluation.jobs import LeanReading, MeasureJob, Measurements, Responding
from elasticity.pipeline.common import Part, Wildcards, to_json
from elasticity.pipeline.compression import CompressionJobs
from elasticity.pipeline.realignment import RealignmentJobs
from elasticity.pipeline.rebound import ReboundJobs
from elasticity.pipeline.runs import InverseStage, inverse_stages
from elasticity.pipeline.springs import SpringsJobs
from elasticity.training.jobs import InverseJob, JointJob


class MeasurementJobs(Part):
    """The jobs that measure models of rebound experiments; a run serves all experiments that share it."""

    def __init__(
        self, rebound: ReboundJobs, realignment: RealignmentJobs, compression: CompressionJobs, springs: SpringsJobs
    ) -> None:
        super().__init__(rebound.study)
        self.models, self.scores = rebound.models, rebound.scores
        self.rebound, self.realignment = rebound, realignment
        self.compression, self.springs = compression, springs
        self._asking: dict[InverseStage, list[Rebound]] = {}
        for experiment in self.study.rebound.values():
            for inverse, _ in inverse_stages(experiment, self.study.seeds):
                self._asking.setdefault(inverse, []).append(experiment)

    # What is measured

    def _responses(
        self, wildcards: Wildcards, cell: Cell | RealignmentCell | None, draws: int = 1
    ) -> Responding | None:
        if not self.scores.is_scored(wildcards.task):
            return None
        contrasted = cell is not None and self.rebound.is_contrasted(wildcards.alignment_recipe)
        sampling = self.study.sampling.of_cells()
        if cell is not None:
            sampling = sampling.of_training_seed(cell.seed % OTHER_ORDER)
        return Responding(
            draws=draws,
            sampling=sampling if contrasted else sampling.model_copy(update={"contrast": None}),
            engine=self.study.engine,
            template=self.study.tasks[wildcards.task].template,
            weak=cell.alignment_size if cell and contrasted else None,
        )

    def _of_inverse(self, wildcards: Wildcards) -> Measurements:
        asking = self._asking.get(self.rebound.inverse_of(wildcards), [])
        return Measurements(
            base=wildcards.base,
            base_checkpoint=self.study.bases[wildcards.base][1],
            cell=self.rebound.cell(wildcards),
            responses=self._responses(wildcards, self.rebound.cell(wildcards))
            if any(it.scores for it in asking)
            else None,
            divergence=any(it.divergence for it in asking),
            compression=self.compression.asked(wildcards) if any(it.compression for it in asking) else None,
            lean=self._lean(wildcards.task, int(wildcards.seed)) if any(it.lean for it in asking) else None,
            text_statistics=any(it.text_statistics for it in asking),
        )

    def _lean(self, task: str, seed: int | None = None) -> LeanReading:
        settings = self.study.tasks[task]
        block = None if seed is None else settings.lean_block(seed)
        tokens, texts = settings.held_out_tokens, settings.lean_texts
        return LeanReading(template=settings.template, tokens=tokens, texts=texts, block=block)

    def _of_realignment(self, wildcards: Wildcards) -> Measurements:
        return self._responses_only(wildcards, self.realignment.cell(wildcards))

    def _responses_only(self, wildcards: Wildcards, cell: Cell | RealignmentCell | None) -> Measurements:
        return Measurements(
            base=wildcards.base,
            base_checkpoint=self.study.bases[wildcards.base][1],
            cell=cell,
            responses=self._responses(wildcards, cell),
        )

    def _of_base(self, wildcards: Wildcards) -> Measurements:
        asking = (it for it in self.study.rebound.values() if it.task == wildcards.task and wildcards.base in it.bases)
        changes = {
            "responses": self._responses(wildcards, None, self.study.base_draws),
            "text_statistics": any(it.text_statistics for it in asking),
        }
        return self._responses_only(wildcards, None).model_copy(update=changes)

    def _rates_only(self, wildcards: Wildcards, cell: Cell | None) -> Measurements:
        return Measurements(
            base=wildcards.base,
            base_checkpoint=self.study.bases[wildcards.base][1],
            cell=cell,
            compression=self.compression.asked(wildcards),
        )

    # Job specs

    def _saved(self, sizes: Iterable[int], started_from: Iterable[int] = ()) -> tuple[int, ...]:
        return tuple(sizes) if self.study.keep_checkpoints else tuple(started_from)

    def inverse_job(self, wildcards: Wildcards) -> str:
        """Train an inverse stage, and measure it at each size."""
        training = self.rebound.inverse_training(wildcards)
        started_from = self.realignment.started_from(self.rebound.inverse_of(wildcards), training.sizes)
        saved = self._saved(training.sizes, started_from)
        return to_json(InverseJob(training=training, measurements=self._of_inverse(wildcards), saved=saved))

    def realignment_job(self, wildcards: Wildcards) -> str:
        """Train a realignment stage, and generate responses at each size."""
        training = self.realignment.training(wildcards)
        measurements, saved = self._of_realignment(wildcards), self._saved(training.sizes)
        return to_json(InverseJob(training=training, measurements=measurements, saved=saved))

    def joint_job(self, wildcards: Wildcards) -> str:
        """Train a model on the examples of all stages of a cell, shuffled together, and measure compression rates."""
        job: JointJob = self.springs.joint_training(wildcards)
        measurements = self._rates_only(wildcards, self.rebound.cell(wildcards))
        saved = self._saved([job.checkpoint])
        return to_json(job.model_copy(update={"measurements": measurements, "saved": saved}))

    def stored_inverse_job(self, wildcards: Wildcards) -> str:
        """Measure the saved checkpoints of an inverse stage."""
        return self._measure(wildcards, self._of_inverse(wildcards))

    def stored_realignment_job(self, wildcards: Wildcards) -> str:
        """Generate responses with the saved checkpoints of a realignment stage."""
        return self._measure(wildcards, self._of_realignment(wildcards))

    def stored_joint_job(self, wildcards: Wildcards) -> str:
        """Measure the saved checkpoint of a jointly trained model."""
        return self._measure(wildcards, self._rates_only(wildcards, self.rebound.cell(wildcards)))

    @staticmethod
    def _measure(wildcards: Wildcards, measurements: Measurements) -> str:
        return to_json(MeasureJob(checkpoints=sizes_in(wildcards.run_sizes), measurements=measurements))

    def base_job(self, wildcards: Wildcards) -> str:
        """Generate responses with a base model, several to each prompt, and measure the texts of draw 0."""
        measurements = self._of_base(wildcards)
        return to_json(MeasureJob(checkpoints=(measurements.base_checkpoint,), measurements=measurements))

    def base_compression_job(self, wildcards: Wildcards) -> str:
        """Measure compression rates of a base model."""
        measurements = self._rates_only(wildcards, None)
        return to_json(MeasureJob(checkpoints=(measurements.base_checkpoint,), measurements=measurements))

    def base_lean_job(self, wildcards: Wildcards) -> str:
        """Measure the lean of a base model on the texts of all seeds."""
        base, checkpoint = wildcards.base, self.study.bases[wildcards.base][1]
        asked = Measurements(base=base, base_checkpoint=checkpoint, lean=self._lean(wildcards.task))
        return to_json(MeasureJob(checkpoints=(checkpoint,), measurements=asked))

    # Inputs of the job of an inverse stage, beside those of its training

    def base(self, wildcards: Wildcards) -> list[str]:
        """The checkpoints of the base model, if the models of an inverse stage are compared with it."""
        found = self._of_inverse(wildcards)
        compared = found.divergence or found.compression or found.text_statistics
        return [self.models.checkpoints_of(wildcards.base)] if compared else []

    def prompts(self, wildcards: Wildcards) -> list[str]:
        """The prompts to which responses are measured; none without a score model."""
        scored = self.scores.is_scored(wildcards.task)
        return [f"{self.results}/{wildcards.task}/prompts/prompts.parquet"] if scored else []

    def texts(self, wildcards: Wildcards) -> list[str]:
        """The held-out texts that compression rates of an inverse stage are measured on; none if none are asked for."""
        return self.compression.texts(wildcards) if self._of_inverse(wildcards).compression else []

    def inverse_prompts(self, wildcards: Wildcards) -> list[str]:
        """The prompts to which responses are measured in an inverse stage; none if it is not scored."""
        return self.prompts(wildcards) if self._of_inverse(wildcards).responses else []

    def lean_texts(self, wildcards: Wildcards) -> list[str]:
        """The held-out examples of both sides that the lean is measured on."""
        return [f"{self.results}/{wildcards.task}/splits/lean-{side}.parquet" for side in ("positive", "negative")]

    def inverse_lean_texts(self, wildcards: Wildcards) -> list[str]:
        """The texts that the lean of an inverse stage is measured on; none if it is not asked for."""
        return self.lean_texts(wildcards) if self._of_inverse(wildcards).lean else []

    def complete(self, wildcards: Wildcards) -> list[str]:
        """The files that show that the base model and the weak model are complete."""
        return [self.models.base_metrics(wildcards), *self.rebound.weak_metrics(wildcards)]

    def inverse_complete(self, wildcards: Wildcards) -> list[str]:
        """The files that show that all models which the job of an inverse stage reads are complete."""
        return [self.rebound.inverse_start_metrics(wildcards), self.models.base_metrics(wildcards)]

    def realignment_complete(self, wildcards: Wildcards) -> list[str]:
        """The files that show that all models which the job of a realignment stage reads are complete."""
        return [self.realignment.start_metrics(wildcards), *self.rebound.weak_metrics(wildcards)]

    # Text statistics

    def text_statistics(self, rebound: Rebound) -> list[str]:
        """The text statistics of an experiment: of its base models, then of its runs, which others may share."""
        bases = [f"{self.results}/{rebound.task}/rebound/{base}" for base in rebound.bases]
        runs = [self.rebound.inverse_run(*run) for run in self.rebound.experiment_runs(rebound)]
        return [f"{folder}/text-statistics.parquet" for folder in (*bases, *runs)]
