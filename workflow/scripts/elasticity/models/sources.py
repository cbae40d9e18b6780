"""Where the files of a model are, and fetching them from the hub; without torch."""

from pathlib import Path

from elasticity.config.models import GgufModel, HubModel, ImportedModel, ModelFolder
from elasticity.core.errors import UserError
from elasticity.core.hub import matching, put, snapshot
from elasticity.models.gguf_header import gguf_file
from elasticity.models.shapes import check_shape, shape_of

FILES = ("model*.safetensors", "*.json", "*.jinja")
"""Files that are fetched from a repository: weights, configuration, fast tokenizer and chat template."""


def fetch(model: HubModel, folder: Path) -> None:
    """Put the files of a model on the hub into a new folder, as links to the hub's cache, or copies if links fail.

    Raises ``UserError`` if the hub cannot be reached or refuses, if the repository has no safetensors, or if the model
    has another shape than the study says.
    """
    root = snapshot(model.repo, model.revision, FILES, "model")
    files = [file for file in matching(root, FILES) if file.parent == root]
    what = f"{model.repo} at revision {model.revision}"
    if not any(file.suffix == ".safetensors" for file in files):
        raise UserError(
            f"{what} holds no weights in safetensors. Weights in .bin files are pickles, which can run any code when "
            "they are loaded, so they are not read. Look among the repository's pull requests for a conversion, and "
            "set revision to refs/pr/NUMBER; or convert the weights elsewhere and use a model of kind folder"
        )
    folder.mkdir(parents=True)
    put(files, folder)
    if model.shape:
        check_shape(model.shape, shape_of(ModelFolder(kind="folder", path=str(folder))), what)


def source_of(model: ImportedModel, fetched: Path) -> Path:
    """The folder or the GGUF file that a model is imported from; ``fetched`` is the folder of a model from the hub.

    Raises ``UserError`` if the model is a file of a Python package that is not installed or has no such file.
    """
    if isinstance(model, HubModel):
        return fetched
    return gguf_file(model) if isinstance(model, GgufModel) else Path(model.path)
