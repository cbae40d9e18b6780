"""Score models that were trained elsewhere: sequence classifiers in the Hugging Face layout, run in batches."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel

from elasticity.config.score_models import TextClassifier
from elasticity.core.errors import UserError
from elasticity.models.loading import device, load_whole, one_thread

Verdict = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""A function of the tokens and the attention mask of a batch, both (responses, tokens), to one number per response."""


class LabelScoreModel:
    """Scores a response 1 if the good label is the most likely one, otherwise 0. Prompts are ignored.

    Responses that are too long are cut at their end, as in the pipelines of transformers, which published scores use.
    """

    def __init__(self, folder: Path, settings: TextClassifier) -> None:
        """Load the classifier. Raises ``UserError`` if the folder holds no text classifier with this label."""
        self.settings = settings
        self.model = load_score_model(AutoModelForSequenceClassification, folder)
        self.good = _place_of(settings.label, self.model.config.id2label or {}, folder)
        self.tokenizer = _tokenizer(folder)
        self.pad = self.tokenizer.pad_token_id
        self.end = self.tokenizer.eos_token_id or self.pad or 0
        self.model.config.pad_token_id = self.pad  # decoders look for the last token before it
        check_length(settings.max_length, folder, self.model, self.tokenizer.model_max_length)

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> list[float]:
        """Return 1.0 for each response whose most likely label is the good one, else 0.0."""
        if not responses:
            return []
        tokens = self.tokenizer(
            list(responses), split_special_tokens=True, truncation=True, max_length=self.settings.max_length
        )["input_ids"]
        tokens = [row or [self.end] for row in tokens]  # an empty response, if the tokenizer adds no special tokens
        batch_size = 1 if self.pad is None else self.settings.batch_size
        return in_batches(tokens, batch_size, self.pad or 0, self.model.device, self._verdict)

    def _verdict(self, tokens: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=tokens, attention_mask=attention).logits
        return (logits.argmax(-1) == self.good).double()


def in_batches(
    tokens: Sequence[Sequence[int]], batch_size: int, pad: int, place: torch.device, verdict: Verdict
) -> list[float]:
    """Return the verdicts in the order of the responses.

    The longest responses are read first, so that a lack of memory shows at once. Padding is on the right and masked, so
    verdicts do not depend on the batch.
    """
    order = sorted(range(len(tokens)), key=lambda i: -len(tokens[i]))
    scores = [0.0] * len(tokens)
    for first in range(0, len(order), batch_size):
        places = order[first : first + batch_size]
        batch = torch.full((len(places), len(tokens[places[0]])), pad)
        attention = torch.zeros_like(batch)
        for row, i in enumerate(places):
            batch[row, : len(tokens[i])] = torch.tensor(tokens[i])
            attention[row, : len(tokens[i])] = 1
        with torch.inference_mode():
            values = verdict(batch.to(place), attention.to(place)).tolist()
        for i, value in zip(places, values, strict=True):
            scores[i] = value
    return scores


def load_score_model(kind: Any, folder: Path, **options: Any) -> PreTrainedModel:
    """Return a model of a transformers class with fp32 weights on this process's device.

    Only safetensors are read, and no code of the folder is run. Raises ``UserError`` if the folder does not hold such a
    model with all its weights.
    """
    if not any(folder.glob("*.safetensors")):
        raise UserError(
            f"{folder} holds no safetensors; weights in other files (pytorch_model.bin) are not read, because they may "
            "run code. Many repositories have a converted copy as a pull request: name that as score_model.revision "
            "(refs/pr/1, say). Or convert the model once with transformers: load it with from_pretrained, write it and "
            "its tokenizer with save_pretrained, and name that folder as score_model.path."
        )
    # Classifiers are often saved with parts that classify nothing, such as a pooler: these may be left over.
    model = load_whole(kind, folder, "score model", surplus=True, **options)
    one_thread()
    torch.nn.Module.to(model, device())
    score_model: PreTrainedModel = model.eval()
    return score_model


def check_length(wanted: int, folder: Path, model: PreTrainedModel, of_tokenizer: int | None = None) -> None:
    """Raise ``UserError`` if the model or its tokenizer cannot read texts of ``wanted`` tokens."""
    limits = [of_tokenizer, getattr(model.config, "max_position_embeddings", None)]
    longest = min((limit for limit in limits if limit), default=wanted)
    if wanted > longest:
        raise UserError(
            f"score_model.max_length is {wanted}, but the model in {folder} takes {longest} tokens: lower it"
        )


def _place_of(label: str, labels: Mapping[Any, str], folder: Path) -> int:
    for place, name in labels.items():
        if name == label:
            return int(place)
    raise UserError(
        f"score_model.label: the model in {folder} has no label {label!r}; its labels are {', '.join(labels.values())}"
    )


def _tokenizer(folder: Path) -> Any:
    """Return the model's own fast tokenizer, also if the folder holds vocabulary and merges only."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # several libraries raise errors of their own
        raise UserError(f"the tokenizer in {folder} cannot be loaded: {error}") from None
    if not tokenizer.is_fast:
        raise UserError(f"{folder} holds no fast tokenizer: it needs a tokenizer.json")
    return tokenizer
