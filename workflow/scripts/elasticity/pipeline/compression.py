"""Compression in the graph: code lengths of held-out texts under each model, and arithmetic coding of some texts."""

from elasticity.config.base import Opposed
from elasticity.config.compression import Compression, Corpus
from elasticity.config.experiments import Rebound, inverse_data
from elasticity.evaluation.jobs import ArithmeticCodingJob, CompressionReading
from elasticity.pipeline.common import Part, Wildcards, to_json
from elasticity.pipeline.rebound import ReboundJobs


class CompressionJobs(Part):
    """The measurements of the rebound experiments that ask for compression rates."""

    def __init__(self, rebound: ReboundJobs) -> None:
        super().__init__(rebound.study)
        self.rebound = rebound

    @property
    def settings(self) -> Compression:
        """The section ``compression`` of the study, which exists if an experiment measures compression rates."""
        assert self.study.compression
        return self.study.compression

    def corpora(self, task: str, base: str, side: Opposed, inverse: str) -> dict[Corpus, str]:
        """The file of held-out texts of each corpus that a model was trained on, and of the control, if there is one.

        ``inverse`` is the recipe of the inverse stage.
        """
        held_out = f"{self.results}/{{}}/splits/held-out-{{}}.parquet"
        pretrained_on, control = self.study.pretrained_on(base), self.settings.control
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
        """The files of held-out texts that a job measures."""
        return list(self._of(wildcards).values())

    def asked(self, wildcards: Wildcards) -> CompressionReading:
        """How compression rates are measured."""
        return CompressionReading(corpora=tuple(self._of(wildcards)), reading=self.settings.reading)

    def arithmetic_coding_job(self, wildcards: Wildcards) -> str:
        """Pack the first texts of each corpus with a base model, and restore them."""
        job = ArithmeticCodingJob(
            base=wildcards.base,
            base_checkpoint=self.study.bases[wildcards.base][1],
            corpora=tuple(self._of(wildcards)),
            reading=self.settings.reading,
            texts=self.settings.coded,
        )
        return to_json(job)

    def base_folders(self, rebound: Rebound) -> list[str]:
        """The folders of the measurements of an experiment's base models."""
        place = f"{rebound.alignment_side}/{rebound.inverse_recipe}"
        return [f"{self.results}/{rebound.task}/rebound/{base}/{place}" for base in rebound.bases]

    def corpora_of_bases(self, rebound: Rebound) -> list[tuple[str, Corpus, str]]:
        """All triples of base model, corpus and file of held-out texts of an experiment."""
        return [
            (base, corpus, path)
            for base in rebound.bases
            for corpus, path in self.corpora(rebound.task, base, rebound.alignment_side, rebound.inverse_recipe).items()
        ]
