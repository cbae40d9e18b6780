"""Validation examples, by which a run chooses among candidates of EpiCoDe's two factors (paper D)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from elasticity.config.sampling import Contrast
from elasticity.data.examples import Batch, Example, batched
from elasticity.evaluation.contrastive_decoding import contrasted
from elasticity.evaluation.passes import measuring, over_targets

BATCH = 8
"""Examples that are read at once."""


LOGITS_AT_ONCE = 2**22
"""Most logits of one model that are processed at once."""


@dataclass(frozen=True)
class Validation:
    """The validation examples of a run, and its contrastive decoding, if it has any."""

    examples: Sequence[Example]
    pad: int
    contrast: Contrast | None = None

    def code_length(self, model: PreTrainedModel) -> float:
        """Return the mean code length of the targets under a model, in nats per token."""

        def nats(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.cross_entropy(logits.double(), labels, reduction="none")

        with measuring(model):
            lengths = [over_targets(nats, [model], batch, LOGITS_AT_ONCE) for batch in self._batches(model)]
        return torch.cat(lengths).mean().item()

    def code_lengths_by_strength(self, strong: PreTrainedModel, weak: PreTrainedModel) -> dict[float, float]:
        """Return the mean code length under contrastive decoding with each strength, in nats per token.

        The mean is over the targets that are likely, see ``contrasted``: they are the same for all strengths, and the
        others have no finite code. NaN if no target is likely.
        """
        assert self.contrast is not None
        strengths, threshold = self.contrast.strengths, self.contrast.threshold

        def nats(mine: torch.Tensor, others: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            logits = (contrasted(mine.double(), others.double(), strength, threshold) for strength in strengths)
            return torch.stack([-it.log_softmax(-1).gather(1, labels[:, None])[:, 0] for it in logits], 1)

        with measuring(strong, weak):
            found = [over_targets(nats, [strong, weak], batch, LOGITS_AT_ONCE) for batch in self._batches(strong)]
        lengths = torch.cat(found)
        means = lengths[lengths.isfinite().all(1)].mean(0).tolist()
        return dict(zip(strengths, means, strict=True))

    def _batches(self, model: PreTrainedModel) -> Iterator[Batch]:
        return (batch.to(model.device) for batch in batched(self.examples, BATCH, self.pad))
