"""The data of a study in the graph: from a source to disjoint splits of examples, and prompts."""

from pathlib import Path

from elasticity.config import splits
from elasticity.config.data import Beginnings, format_modules, local_files
from elasticity.core.errors import UserError
from elasticity.data.files import all_files
from elasticity.data.jobs import FetchJob, PromptJob, SplitJob
from elasticity.pipeline.common import Part, Wildcards, to_json
from elasticity.pipeline.models import ModelJobs


class DataJobs(Part):
    """The jobs that read, clean and split the examples of each task."""

    def __init__(self, models: ModelJobs) -> None:
        super().__init__(models.study)
        self.models = models

    def fetch_job(self, wildcards: Wildcards) -> str:
        """Read a source and clean its examples."""
        task = self.study.tasks[wildcards.task]
        takes = splits.layout(task.splits, task.prompts).values()
        sides = tuple(side for side in task.source.sides if any(side in take.shares for take in takes))
        longest = {take.longest_prompt for take in takes}.pop()
        return to_json(FetchJob(source=task.source, sides=sides, longest_prompt=longest))

    def format_modules(self, wildcards: Wildcards) -> tuple[str, ...]:
        """The modules of the data formats that a task's source is read by."""
        return format_modules(self.study.tasks[wildcards.task].source)

    def source_files(self, wildcards: Wildcards) -> list[str]:
        """The user's own data files that a task is made of."""
        paths = local_files(self.study.tasks[wildcards.task].source).values()
        return sorted({str(file) for several in paths for path in several for file in all_files(path) or [Path(path)]})

    def split_job(self, wildcards: Wildcards) -> str:
        """Take the examples of a split, after those of the splits before it."""
        task = self.study.tasks[wildcards.task]
        takes = splits.layout(task.splits, task.prompts)
        return to_json(SplitJob(takes=splits.needed(takes, wildcards.split)))

    def prompt_job(self, wildcards: Wildcards) -> str:
        """Make the prompts of a split."""
        prompts = self.study.tasks[wildcards.task].prompts
        assert prompts, "checked when the study is read"
        return to_json(PromptJob(prompts=prompts))

    def prompt_tokenizer(self, wildcards: Wildcards) -> list[str]:
        """The folder of the tokenizer that counts the tokens of prompts; none if prompts are whole questions."""
        return [self.models.tokenizer_folder(name) for name in self._prompt_models(wildcards)]

    def prompt_tokenizer_file(self, wildcards: Wildcards) -> list[str]:
        """The file that shows that the tokenizer that counts the tokens of prompts is complete; none if none does."""
        return [self.models.complete_tokenizer(name) for name in self._prompt_models(wildcards)]

    def _prompt_models(self, wildcards: Wildcards) -> list[str]:
        prompts = self.study.tasks[wildcards.task].prompts
        return [prompts.tokenizer] if isinstance(prompts, Beginnings) else []

    def check(self) -> None:
        """Raise ``UserError`` if a data file that the study names does not exist.

        Snakemake would not: if the input of a rule is missing but its output exists, it takes the old output.
        """
        for name, task in self.study.tasks.items():
            for place, paths in local_files(task.source).items():
                for path in paths:
                    if not all_files(path):
                        raise UserError(f"tasks.{name}.source.{place}: {path} does not exist (seen from {Path.cwd()})")
