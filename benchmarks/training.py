"""Train one model with one library, and print the tokens per CPU second as JSON.

    python benchmarks/training.py {ours,loop,trainer,trl} {small,135M} {short,ragged} [--device cuda]

All libraries train the same model on the same examples, with the same updates, learning rate, clipping, optimizer and
precision. ``loop`` is a plain loop in PyTorch as one writes it: batches padded to their longest example, autocast,
fused AdamW. Tokens are those of the examples, without padding. The first updates are not timed.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel

from elasticity.config.training import Optimization
from elasticity.data.examples import Example, batched
from elasticity.models.loading import one_thread, prepare_for_training
from elasticity.models.precision import autocast, resolved
from elasticity.runtime.launch import Launch
from elasticity.training.backends import OneProcess
from elasticity.training.objectives import CodeLength

SHAPES: dict[str, dict[str, Any]] = {
    "small": {
        "vocab_size": 2048,
        "hidden_size": 160,
        "intermediate_size": 432,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    },
    "135M": {
        "vocab_size": 49_152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
    },
}
"""The small model of the default study (0.9M parameters), and SmolLM2-135M."""


UPDATES = {"small": (100, 10), "135M": (4, 1)}
"""Updates, and how many of them come before the clock starts."""


BATCH = 8

RATE = 1e-4


def make_model(shape: str) -> PreTrainedModel:
    """Return a Llama with random fp32 weights."""
    torch.manual_seed(0)
    config = LlamaConfig(**SHAPES[shape], tie_word_embeddings=True, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    return model


def make_examples(shape: str, lengths: str) -> list[list[int]]:
    """Return token ids: 48 an example, or between 8 and 256 with a median of 48, as in instruction data."""
    numbers = random.Random(0)
    count = UPDATES[shape][0] * BATCH
    sizes = [48] * count
    if lengths == "ragged":
        sizes = [min(256, max(8, round(numbers.lognormvariate(3.87, 0.8)))) for _ in range(count)]
    return [[numbers.randrange(3, SHAPES[shape]["vocab_size"]) for _ in range(size)] for size in sizes]


class Clock:
    """Measures the CPU time and the wall time after the first updates."""

    def __init__(self, skipped: int) -> None:
        self.skipped = skipped
        self.updates = 0

    def tick(self) -> None:
        """Note the end of an update."""
        self.updates += 1
        if self.updates == self.skipped:
            self.cpu_start, self.wall_start = time.process_time(), time.monotonic()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.cpu_end, self.wall_end = time.process_time(), time.monotonic()


def ours(model: PreTrainedModel, examples: Sequence[list[int]], clock: Clock) -> PreTrainedModel:
    """Train with the backend and the objective of the project."""
    settings = Optimization(learning_rate=RATE, batch_size=BATCH, beta2=0.999)
    backend, objective = OneProcess(prepare_for_training(model, Launch.of_job()), settings), CodeLength()
    for update, batch in enumerate(batched([Example(tokens, 1) for tokens in examples], BATCH, 0)):
        parts = objective.parts(backend, update, batch, BATCH)
        for part in parts:
            backend.backward(objective.loss(backend, part, batch), last=part is parts[-1])
        backend.gradient_norm()
        backend.step(RATE)
        clock.tick()
    return model


def loop(model: PreTrainedModel, examples: Sequence[list[int]], clock: Clock) -> PreTrainedModel:
    """Train with a plain loop."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.999), weight_decay=0.0, fused=True)
    model.train()
    for first in range(0, len(examples), BATCH):
        rows = [{"input_ids": tokens} for tokens in examples[first : first + BATCH]]
        batch = {name: value.to(model.device) for name, value in padded(rows).items()}
        with autocast("auto", model.device):
            loss = model(**batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        clock.tick()
    return model


def padded(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Return a batch padded on the right to its longest example."""
    tokens = [torch.tensor(row["input_ids"]) for row in rows]
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(one) for one in tokens], batch_first=True)
    batch = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True)
    return {"input_ids": batch, "attention_mask": mask, "labels": batch.masked_fill(mask == 0, -100)}


def options(folder: str, model: PreTrainedModel) -> dict[str, Any]:
    """Return the arguments that transformers and TRL share."""
    return {
        "output_dir": folder,
        "per_device_train_batch_size": BATCH,
        "num_train_epochs": 1,
        "learning_rate": RATE,
        "lr_scheduler_type": "constant",
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "optim": "adamw_torch_fused",
        "bf16": resolved("auto", model.device) == "bf16",
        "use_cpu": model.device.type == "cpu",
        "train_sampling_strategy": "sequential",
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
    }


def ticking(clock: Clock) -> Any:
    """Return a callback of transformers that notes the end of each update."""
    from transformers import TrainerCallback

    class Ticking(TrainerCallback):
        def on_step_end(self, *arguments: Any, **keywords: Any) -> None:
            clock.tick()

    return Ticking()


def trainer(model: PreTrainedModel, examples: Sequence[list[int]], clock: Clock) -> PreTrainedModel:
    """Train with the Trainer of transformers."""
    from datasets import Dataset
    from transformers import Trainer, TrainingArguments

    with tempfile.TemporaryDirectory() as folder:
        Trainer(
            model=model,
            args=TrainingArguments(**options(folder, model)),
            train_dataset=Dataset.from_dict({"input_ids": list(examples)}),
            data_collator=padded,
            callbacks=[ticking(clock)],
        ).train()
    return model


def trl(model: PreTrainedModel, examples: Sequence[list[int]], clock: Clock) -> PreTrainedModel:
    """Train with the SFTTrainer of TRL."""
    from datasets import Dataset
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast
    from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]

    words = {"<pad>": 0, "<bos>": 1, "<eos>": 2}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel(words, unk_token="<pad>")))
    tokenizer.pad_token, tokenizer.bos_token, tokenizer.eos_token = words
    with tempfile.TemporaryDirectory() as folder:
        settings = options(folder, model) | {"max_length": 256, "gradient_checkpointing": False}
        SFTTrainer(
            model=model,
            args=SFTConfig(**settings),
            train_dataset=Dataset.from_dict({"input_ids": list(examples)}),
            processing_class=tokenizer,
            callbacks=[ticking(clock)],
        ).train()
    return model


SIDES: dict[str, Callable[[PreTrainedModel, Sequence[list[int]], Clock], PreTrainedModel]] = {
    "ours": ours,
    "loop": loop,
    "trainer": trainer,
    "trl": trl,
}


def main() -> None:
    """Train and print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("lengths", choices=("short", "ragged"))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    arguments = parser.parse_args()
    if arguments.side == "ours":
        one_thread()
    torch.set_num_threads(1)
    model = make_model(arguments.shape)
    torch.nn.Module.to(model, arguments.device)
    examples = make_examples(arguments.shape, arguments.lengths)
    skipped = UPDATES[arguments.shape][1]
    clock = Clock(skipped)
    model = SIDES[arguments.side](model, examples, clock)
    tokens = sum(map(len, examples[skipped * BATCH :]))
    batch = {name: value.to(model.device) for name, value in padded([{"input_ids": examples[0]}]).items()}
    with torch.no_grad():
        loss = model.eval()(**batch).loss.item()
    numbers = {
        "tokens_per_cpu_s": tokens / (clock.cpu_end - clock.cpu_start),
        "tokens_per_s": tokens / (clock.wall_end - clock.wall_start),
        "updates": clock.updates,
        "loss_at_end": loss,
    }
    print(json.dumps(numbers))


if __name__ == "__main__":
    main()
