"""Whether the files of the user's that a study names are there."""

from pathlib import Path

from elasticity.data_settings import local_files
from elasticity.errors import UserError
from elasticity.locating import source_of
from elasticity.materials_plan import MaterialsPlan
from elasticity.model_settings import GgufModel, ModelFolder


def check_given_files(plan: MaterialsPlan) -> None:
    """Raise ``UserError`` if a file that the study names is not there.

    Snakemake would not: if the input of a rule is missing but its output is there, it takes the old output.
    """
    for name, task in plan.study.tasks.items():
        for place, path in local_files(task.source).items():
            if not Path(path).is_file():
                raise UserError(f"tasks.{name}.source.{place}: {path} does not exist (seen from {Path.cwd()})")
    for name, judge in plan.given_judges.items():
        if judge.path is not None and not Path(judge.path, "config.json").is_file():
            raise UserError(
                f"tasks.{name}.score_model.path: {judge.path} is not a model folder: it holds no config.json"
            )
    for name, model in plan.imported.items():
        source = source_of(model, Path(plan.fetched_folder(name)))
        if isinstance(model, GgufModel) and not source.is_file():
            raise UserError(f"models.{name}.path: {source} does not exist (seen from {Path.cwd()})")
        for needed in ("config.json", "tokenizer.json"):
            if isinstance(model, ModelFolder) and not (source / needed).is_file():
                raise UserError(f"models.{name}.path: {source} is not a model folder: it holds no {needed}")
