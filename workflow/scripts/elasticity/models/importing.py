"""Import of models in one form: fp32 weights, a fast tokenizer with a padding token, an embedding row for each token.

All later models are fine-tuned from the imported one, so a base model and its fine-tuned models share a vocabulary.
"""

from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GgufConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from elasticity.config.models import GgufModel, HubModel, ImportedModel, ModelFolder
from elasticity.core.digests import file_digest
from elasticity.core.errors import UserError
from elasticity.models.checks import check_model
from elasticity.models.folders import check_folder
from elasticity.models.loading import from_files, load_model
from elasticity.models.shapes import check_shape, shape_in, shape_of
from elasticity.models.stop_tokens import declared_stop_tokens, generation_settings
from elasticity.models.tokenizer import complete, load_tokenizer


def load(settings: ImportedModel, source: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Load a model and its tokenizer from a folder or a GGUF file, ready to be saved.

    Raises ``UserError`` if they cannot be loaded, or if the model has another shape than the study says.
    """
    tokenizer = load_imported_tokenizer(settings, source)
    if isinstance(settings, GgufModel):
        model = _unpacked(source)
        if settings.shape:
            check_shape(settings.shape, shape_in(model.config.to_dict(), str(source)), str(source))
    else:
        check_folder(source)
        if isinstance(settings, HubModel) and settings.shape:
            check_shape(settings.shape, shape_of(ModelFolder(kind="folder", path=str(source))), str(source))
        model = load_model(source)
    check_model(model, str(source))
    _fit(model, tokenizer)
    return model, tokenizer


def load_imported_tokenizer(settings: ImportedModel, source: Path) -> PreTrainedTokenizerFast:
    """Load the tokenizer of an imported model from its folder or GGUF file.

    Raises ``UserError`` if it cannot be loaded, or if a GGUF file has another checksum than the study says.
    """
    if not isinstance(settings, GgufModel):
        return load_tokenizer(source)
    if settings.sha256 is not None and (found := file_digest(source)) != settings.sha256:
        raise UserError(f"{source} has another checksum.\n  found:    {found}\n  expected: {settings.sha256}")
    try:
        tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(  # type: ignore[assignment]
            source.parent, gguf_file=source.name, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # the libraries raise nothing narrower for a file that they cannot read
        raise UserError(f"the tokenizer in {source} cannot be loaded: {error}") from None
    return complete(tokenizer, str(source))


def _unpacked(file: Path) -> PreTrainedModel:
    """Load a GGUF file as a model with fp32 weights. Some hold tensors that a model computes itself."""
    return from_files(
        AutoModelForCausalLM,
        file.parent,
        f"model in {file}",
        surplus=True,
        gguf_file=file.name,
        quantization_config=GgufConfig(dequantize=True),
    )


def _fit(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    """Give every token a row in the embedding and the output layer, and reset settings that the study does not set.

    A new row is the mean of the others, so that the model treats a token that it has never seen as an average one. Rows
    without a token are kept; they are never sampled. The configuration gets no padding token: torch gives the embedding
    of a padding token no gradient, but an EOS token that also serves for padding must be trained. Of the generation
    settings the stop tokens are kept.
    """
    rows, needed = model.config.vocab_size, max(tokenizer.get_vocab().values()) + 1
    if needed > rows:
        model.resize_token_embeddings(needed, mean_resizing=False)
        with torch.no_grad():
            for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
                weight = layer.get_parameter("weight")
                weight[rows:] = weight[:rows].mean(0)
    stops = declared_stop_tokens(model, tokenizer)
    model.config.bos_token_id, model.config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
    model.config.pad_token_id = None
    model.generation_config = generation_settings(stops, tokenizer)
