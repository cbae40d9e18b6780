"""Models from elsewhere, made alike: fp32 safetensors, a fast tokenizer with a token for padding, a row for each token.

What comes out is what every later model is tuned from, so a base and its tuned models share a vocabulary.
"""

from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    GgufConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from elasticity.config.models import GgufModel, HubModel, ImportedModel, ModelFolder
from elasticity.core.digests import file_digest
from elasticity.core.errors import UserError
from elasticity.core.hub import matching, package_file, put, snapshot
from elasticity.models.loading import load_model
from elasticity.models.shapes import check_shape, shape_in, shape_of
from elasticity.models.tokenizer import complete, load_tokenizer

FILES = ("model*.safetensors", "*.json", "*.jinja")
"""What is fetched of a repository: one set of weights, the configuration, the fast tokenizer, and its chat template."""


def fetch(model: HubModel, folder: Path) -> None:
    """Put the files of a model on the hub into a folder: links to the hub's cache, or copies on another file system.

    Raises ``UserError`` as ``snapshot`` does, if there are no safetensors, or if the study describes another shape.
    """
    root = snapshot(model.repo, model.revision, FILES, "model")
    files = [file for file in matching(root, FILES) if file.parent == root]
    what = f"{model.repo} at revision {model.revision}"
    if not any(file.suffix == ".safetensors" for file in files):
        raise UserError(
            f"{what} holds no weights in safetensors. Weights in .bin files are pickles, which may run any code when "
            "they are read, so they are not: look among the repository's pull requests for a conversion, and set "
            "revision to refs/pr/NUMBER; or convert them elsewhere and use a model of kind folder"
        )
    folder.mkdir(parents=True)
    put(files, folder)
    check_shape(model.shape, shape_of(ModelFolder(kind="folder", path=str(folder))), what)


def load(settings: ImportedModel, source: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """A model and its tokenizer, of a folder or a GGUF file, ready to be saved.

    Raises ``UserError`` if they cannot be loaded, or are not what the study describes.
    """
    tokenizer = load_imported_tokenizer(settings, source)
    if isinstance(settings, GgufModel):
        model = _unpacked(source)
        check_shape(settings.shape, shape_in(model.config.to_dict(), str(source)), str(source))
    else:
        if not any(source.glob("*.safetensors")):
            raise UserError(f"{source} holds no weights in safetensors: pickles (.bin) are not read, convert them")
        if isinstance(settings, HubModel):
            check_shape(settings.shape, shape_of(ModelFolder(kind="folder", path=str(source))), str(source))
        model = load_model(source)
    _fit(model, tokenizer)
    return model, tokenizer


def load_imported_tokenizer(settings: ImportedModel, source: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a folder or a GGUF file. Raises ``UserError`` for a GGUF file with another checksum."""
    if not isinstance(settings, GgufModel):
        return load_tokenizer(source)
    if settings.sha256 is not None and (found := file_digest(source)) != settings.sha256:
        raise UserError(f"{source} has another checksum.\n  found:    {found}\n  expected: {settings.sha256}")
    try:
        tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(  # type: ignore[assignment]
            source.parent, gguf_file=source.name, local_files_only=True
        )
    except Exception as error:  # the libraries raise nothing narrower for a file that they do not understand
        raise UserError(f"the tokenizer in {source} cannot be loaded: {error}") from None
    return complete(tokenizer, str(source))


def _unpacked(file: Path) -> PreTrainedModel:
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
            local_files_only=True,
        )
    except Exception as error:  # as above
        raise UserError(f"the weights in {file} cannot be unpacked: {error}") from None
    return model


def _fit(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    """Give every token a row in the embedding and the output layer, and leave out what the study does not name.

    A new row is the mean of the others: the model then takes a token that it never saw for an average one. Rows without
    a token stay; they are never drawn. A token for padding that the configuration names gets no gradient as an input,
    which must not happen to an EOS token that serves for padding.
    """
    rows, needed = model.config.vocab_size, max(tokenizer.get_vocab().values()) + 1
    if needed > rows:
        model.resize_token_embeddings(needed, mean_resizing=False)
        with torch.no_grad():
            for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
                weight = layer.get_parameter("weight")
                weight[rows:] = weight[:rows].mean(0)
    model.config.bos_token_id, model.config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
    model.config.pad_token_id = None
    model.generation_config = GenerationConfig()


def source_of(model: ImportedModel, fetched: Path) -> Path:
    """The folder or the GGUF file that a model is imported from; a model of the hub was put into ``fetched`` before.

    Raises ``UserError`` if it is in a package that has no such file.
    """
    if isinstance(model, HubModel):
        return fetched
    if isinstance(model, GgufModel) and model.package:
        return package_file(model.package, model.path)
    return Path(model.path)
