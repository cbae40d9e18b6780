"""Where the files of models and data lie, also those that installed Python packages carry."""

import importlib.util
from pathlib import Path

from elasticity.errors import UserError
from elasticity.model_settings import GgufModel, HubModel, ImportedModel


def package_file(package: str, path: str) -> Path:
    """Where a file of a package lies. Raises ``UserError`` if the package is not installed, or has no such file."""
    try:
        spec = importlib.util.find_spec(package)
    except (ModuleNotFoundError, ValueError):  # of the package that it would be a part of
        spec = None
    if spec is None or spec.origin is None:
        raise UserError(f"the Python package {package} is not installed: install it with pip where Snakemake runs")
    file = Path(spec.origin).parent / path
    if not file.is_file():
        raise UserError(f"the Python package {package} has no file {path}: it lies in {file.parent}")
    return file


def source_of(model: ImportedModel, fetched: Path) -> Path:
    """The folder or the GGUF file that a model is imported from; a model of the hub was put into ``fetched`` before.

    Raises ``UserError`` if it is in a package that has no such file.
    """
    if isinstance(model, HubModel):
        return fetched
    if isinstance(model, GgufModel) and model.package:
        return package_file(model.package, model.path)
    return Path(model.path)
