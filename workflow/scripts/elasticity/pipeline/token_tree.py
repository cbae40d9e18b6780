"""Token trees in the graph: the texts that they are made of, and the base models beside them."""

from elasticity.analysis.jobs import CodeLengthsJob, ModelRates, TokenTreeJob
from elasticity.config.experiments import Rebound
from elasticity.config.splits import layout
from elasticity.config.token_tree import Texts, TokenTrees, held_out, task_and_split
from elasticity.pipeline.common import Part, to_json
from elasticity.pipeline.compression import CompressionJobs
from elasticity.pipeline.models import ModelJobs


class TokenTreeJobs(Part):
    """The jobs of the section ``token_tree`` of a study; all of them need that section."""

    def __init__(self, models: ModelJobs, compression: CompressionJobs) -> None:
        super().__init__(models.study)
        self.models, self.compression = models, compression

    @property
    def settings(self) -> TokenTrees:
        """The section ``token_tree``."""
        assert self.study.token_tree
        return self.study.token_tree

    def _file(self, texts: Texts) -> str:
        task, split = task_and_split(texts)
        return f"{self.results}/{task}/splits/{split}.parquet"

    def texts(self) -> list[str]:
        """The files of the corpora, in their order."""
        return [self._file(texts) for texts in self.settings.corpora]

    def _held_out(self) -> tuple[Texts, ...]:
        """The corpora of whose kind there are held-out texts."""
        return tuple(texts for texts in self.settings.corpora if self._exists(held_out(texts)))

    def _exists(self, texts: Texts) -> bool:
        name, split = task_and_split(texts)
        task = self.study.tasks[name]
        return bool(layout(task.splits, task.prompts)[split].shares)

    def held_out(self) -> list[str]:
        """The files of held-out texts, in the order of the corpora."""
        return [self._file(held_out(texts)) for texts in self._held_out()]

    def tokenizer_file(self) -> list[str]:
        """The file that shows that the tokenizer is complete; none for bytes."""
        name = self.settings.tokenizer
        return [self.models.complete_tokenizer(name)] if name else []

    def job(self) -> str:
        """Make the trees."""
        compression, tokenizer = self.study.compression, self.settings.tokenizer
        job = TokenTreeJob(
            settings=self.settings,
            corpora=self.settings.corpora,
            held_out=self._held_out(),
            held_out_characters=compression.characters if compression else self.settings.characters,
            tokenizer=self.models.tokenizer_folder(tokenizer) if tokenizer else None,
        )
        return to_json(job)

    def measured(self) -> list[Rebound]:
        """The experiments that measure compression rates of base models, if the study makes trees."""
        found = self.study.rebound.values() if self.study.token_tree else ()
        return [experiment for experiment in found if experiment.compression]

    def rates(self) -> list[str]:
        """The files of compression rates of the base models of these experiments, each once."""
        return list(self._rates())

    def _rates(self) -> dict[str, ModelRates]:
        trees = {self._file(held_out(texts)): texts for texts in reversed(self._held_out())}
        found: dict[str, ModelRates] = {}
        for rebound in self.measured():
            inverse = rebound.inverse_recipe
            for base, folder in zip(rebound.bases, self.compression.base_folders(rebound), strict=True):
                files = self.compression.corpora(rebound.task, base, rebound.alignment_side, inverse)
                corpora = {corpus: trees[path] for corpus, path in files.items() if path in trees}
                found[f"{folder}/compression.parquet"] = ModelRates(corpora=corpora)
        return found

    def code_lengths_job(self) -> str:
        """Compare the trees with base models."""
        return to_json(CodeLengthsJob(rates=tuple(self._rates().values())))
