"""Random models for vLLM. Without vLLM the tests of this folder are skipped.

Heads have 32 dimensions, the smallest that vLLM's attention on CPUs takes.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from elasticity.config.models import Pretrained
from elasticity.config.training import Optimization
from elasticity.models.loading import new_model, one_thread, probe_nats, save
from elasticity.models.tokenizer import train_tokenizer
from tests.unit.conftest import SENTENCES

SHAPE = Pretrained(
    kind="pretrain",
    task="reviews",
    vocabulary=320,
    hidden_size=64,
    layers=2,
    heads=2,
    context=64,
    updates=1,
    optimization=Optimization(learning_rate=1e-3, batch_size=2),
)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(SENTENCES, SHAPE.vocabulary)


@pytest.fixture(scope="session")
def write(
    tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[float, Pretrained], Path]:
    """Return a function that saves a model whose output layer has weights of this standard deviation.

    With 0 all tokens are equally likely. The output layer has eight rows more than the tokenizer has tokens.
    """
    one_thread()

    def write(deviation: float, shape: Pretrained = SHAPE) -> Path:
        model = new_model(shape, tokenizer)
        model.resize_token_embeddings(len(tokenizer) + 8, mean_resizing=False)
        model.config.tie_word_embeddings = False
        rows = torch.randn(len(tokenizer) + 8, shape.hidden_size, generator=torch.Generator().manual_seed(0))
        model.lm_head.weight = torch.nn.Parameter(deviation * rows)
        folder = tmp_path_factory.mktemp("model")
        save(model, tokenizer, folder, probe_nats(model, len(rows), torch.device("cpu")))
        # A second token ends responses, as for many models of the hub.
        (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [tokenizer.eos_token_id, 40]}))
        return folder

    return write
