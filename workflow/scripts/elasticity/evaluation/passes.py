"""Forward passes: without a trace in the model, and with logits at the targets of a batch only.

The logits of all positions take rows x tokens x vocabulary numbers: 4 GB in fp32 for 8 rows of 512 tokens and 262,144
tokens, and several times as much in the backward pass. Here the base of a causal language model computes hidden states
for all positions, and the model's own ``forward`` turns only those at targets into logits, in chunks. It does so by
replacing the output of the base, so models that scale or cap their logits are treated correctly without knowing how.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from elasticity.data.examples import IGNORED, Batch


@contextmanager
def measuring(*models: PreTrainedModel) -> Iterator[None]:
    """Put models into evaluation mode, without gradients, and restore the mode of every module afterwards.

    A model in training can be measured: its weights, gradients and settings stay as they are. Gradients are switched
    off with ``no_grad`` because some models keep tensors of a pass in their buffers, and training could not use tensors
    of ``inference_mode``.
    """
    modes = [(module, module.training) for model in models for module in model.modules()]
    try:
        for model in models:
            model.eval()
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


Output = Any
"""What the base of a model returns: a ``ModelOutput`` or a tuple, with the hidden states first."""


def over_targets(
    function: Callable[..., torch.Tensor],
    models: Sequence[PreTrainedModel],
    batch: Batch,
    at_once: int,
    run: Callable[..., Any] | None = None,
) -> torch.Tensor:
    """Apply a function to the logits at the targets of a batch, and return its results in the order of the targets.

    ``function`` maps logits of shape (targets, vocabulary), one such argument for each model, and labels of shape
    (targets,) to a tensor whose first dimension is (targets,). It is called on chunks of at most ``at_once`` logits (or
    of one target). Where a gradient is wanted, the logits of all chunks but the first are computed again in the
    backward pass instead of being kept.

    ``run`` is called in place of the one model, for example the engine of DeepSpeed that wraps it.
    """
    rows, positions = (batch.labels[:, 1:] != IGNORED).nonzero().unbind(1)
    labels = batch.labels[rows, positions + 1]
    places = rows * batch.labels.shape[1] + positions
    size = max(1, at_once // models[0].config.vocab_size)
    passes = [_Pass(model, batch, places, size, run or model) for model in models]

    def result(number: int, expected: torch.Tensor) -> torch.Tensor:
        return function(*(one.logits(number) for one in passes), expected)

    found = []
    for number, expected in enumerate(labels.split(size)):
        if number and torch.is_grad_enabled():
            found.append(checkpoint(result, number, expected, use_reentrant=False, preserve_rng_state=False))
        else:
            found.append(result(number, expected))
    return torch.cat(found)


def surprisals(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return −log p of each label in nats, in fp32: a ``function`` for ``over_targets``."""
    return functional.cross_entropy(logits.float(), labels, reduction="none")


class _Pass:
    """A forward pass of one model, from which logits are taken chunk by chunk.

    The pass itself computes the logits of the first chunk, so a batch with few targets needs nothing else.
    """

    def __init__(
        self, model: PreTrainedModel, batch: Batch, places: torch.Tensor, size: int, run: Callable[..., Any]
    ) -> None:
        self.model = model
        self.inputs = {"input_ids": batch.tokens, "attention_mask": batch.attention, "use_cache": False}
        self.output: Output = None
        self.states: Sequence[torch.Tensor] = ()
        shape = batch.tokens.shape

        def reduce(base: torch.nn.Module, arguments: Any, output: Output) -> Output:
            states = output[0]
            if states.shape[:2] != shape:
                return output
            self.output = output
            self.states = states.flatten(0, 1).index_select(0, places.to(states.device)).split(size)
            return _with_states(output, self.states[0])

        base = model.base_model
        hook = base.register_forward_hook(reduce) if base is not model else None
        try:
            logits: torch.Tensor = run(**self.inputs).logits
        finally:
            if hook is not None:
                hook.remove()
        if self.states and logits.shape[:2] == (1, len(self.states[0])):
            self.first: torch.Tensor | None = logits[0]
        else:  # this model takes its logits from elsewhere, so it has computed all of them
            self.first = None
            self.all: Sequence[torch.Tensor] = (
                logits.flatten(0, 1).index_select(0, places.to(logits.device)).split(size)
            )

    def logits(self, number: int) -> torch.Tensor:
        """Return the logits of a chunk; those of the first can be taken once."""
        if self.first is not None and number == 0:
            first, self.first = self.first, torch.empty(0)
            return first
        if self.first is None:
            return self.all[number]
        with _replaced_base(self.model, _with_states(self.output, self.states[number])):
            logits: torch.Tensor = self.model.forward(**self.inputs).logits[0]
        return logits


def _with_states(output: Output, states: torch.Tensor) -> Output:
    """Return the output of a base with other hidden states, as those of one sequence."""
    if isinstance(output, tuple):
        return (states[None], *output[1:])
    return type(output)(**{**output, next(iter(output)): states[None]})


class _Given(torch.nn.Module):
    """Stands in for the base of a model: returns a given output, and has the base's attributes."""

    def __init__(self, base: torch.nn.Module, output: Output) -> None:
        super().__init__()
        self.others = [base]  # in a list, so that it is not a submodule
        self.output = output

    def forward(self, *arguments: Any, **options: Any) -> Output:
        """Return the given output."""
        return self.output

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["others"][0], name)


@contextmanager
def _replaced_base(model: PreTrainedModel, output: Output) -> Iterator[None]:
    """Let the base of a model return ``output`` instead of computing anything."""
    name = model.base_model_prefix
    base = getattr(model, name)
    setattr(model, name, _Given(base, output))
    try:
        yield
    finally:
        setattr(model, name, base)
