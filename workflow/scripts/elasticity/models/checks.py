"""What a model from elsewhere must be before anything is measured on it: finite, causal, and the same in every pass.

Each property is found out by passes over a known sequence, not from names of classes or settings.
"""

import torch
from transformers import PreTrainedModel

from elasticity.core.errors import UserError
from elasticity.models.loading import prepare_for_training, tokens_of
from elasticity.models.model_configs import check_causal
from elasticity.runtime.launch import Launch

TOLERANCE = 1e-3
"""Largest accepted difference of two logits that should be equal, relative to the largest logit. Passes of one shape
give the same bits; a changed later token changes the order of sums at most."""


def check_model(model: PreTrainedModel, source: str) -> None:
    """Raise ``UserError`` if a model has weights that are not finite, is not causal, or changes from pass to pass, or
    if its passes fail.

    ``source`` names the model in messages. Dropout is switched off in the model, as in training.
    """
    check_causal(model.config.to_dict(), source)
    if broken := [name for name, weight in model.named_parameters() if not torch.isfinite(weight).all()]:
        raise UserError(
            f"{source} holds weights that are not finite numbers, {broken[0]} for one: fetch the files again, or use "
            "another model"
        )
    prepare_for_training(model, Launch())
    tokens = torch.tensor([tokens_of(model.config.vocab_size)])
    try:
        first, again = _logits(model, tokens), _logits(model, tokens)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:  # as many kinds as there are architectures
        raise UserError(
            f"{source} was loaded, but computes nothing: {str(error).splitlines()[0]} ({type(error).__name__}). The "
            "numbers in its config.json do not belong together: fetch the model again"
        ) from None
    if not torch.equal(first, again):
        raise UserError(
            f"{source} gives other logits for the same text in a second pass: something in it draws random numbers "
            "(dropout, jitter or noise). Set it to 0 in config.json: runs could neither be repeated nor compared."
        )
    changed = tokens.clone()
    changed[0, -1] = tokens[0, 0]
    if not torch.allclose(_logits(model, changed)[0, :-1], first[0, :-1], atol=TOLERANCE * first.abs().max().item()):
        raise UserError(
            f"{source} is no causal language model: a later token changes the probabilities of earlier ones, as in an "
            "encoder. Use a model that predicts the next token."
        )
    model.eval()


def _logits(model: PreTrainedModel, tokens: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=tokens, use_cache=False).logits
    return logits
