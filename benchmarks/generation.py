"""Draw responses with this project or with ``generate`` of transformers, and print the tokens per CPU second as JSON.

    python benchmarks/generation.py {ours,generate} {small,135M} {limit,ending} [--device cuda]

Both draw from the same model for the same prompts, which have 2 to 8 tokens, with the sampling of the default study.
In ``limit`` all responses have the maximum length; in ``ending`` the EOS token has a probability that ends them after
less than half of it on average. Tokens are those up to the EOS token.
"""

import argparse
import json
import random
import time

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from training import SHAPES, make_model
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.sampling import Sampling
from elasticity.evaluation.generation import TransformersEngine
from elasticity.models.loading import one_thread

PROMPTS = {"small": 160, "135M": 24}
"""Prompts of one batch."""

ROUNDS = {"small": 4, "135M": 1}
"""How many times the batch is drawn."""

SAMPLING = Sampling(new_tokens=32, top_k=30, top_p=0.9, batch_size=160)

EOS = 2

EOS_LOGIT = {"limit": -1e4, "ending": 1.3}
"""What is added to the logit of the EOS token; the logits of a random model differ little."""


def model_that_ends(shape: str, kind: str) -> PreTrainedModel:
    """Return a random model with another logit for the EOS token."""
    model: PreTrainedModel = make_model(shape).eval()
    head = torch.nn.Linear(SHAPES[shape]["hidden_size"], SHAPES[shape]["vocab_size"])
    head.weight = model.get_output_embeddings().weight
    with torch.no_grad():
        head.bias.zero_()
        head.bias[EOS] = EOS_LOGIT[kind]
    model.set_output_embeddings(head)
    return model


def ours(model: PreTrainedModel, contexts: list[list[int]]) -> list[list[int]]:
    """Draw with the engine of the project."""
    words = {str(number): number for number in range(model.config.vocab_size)}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel(words, unk_token="0")))
    tokenizer.pad_token, tokenizer.bos_token, tokenizer.eos_token = "0", "1", str(EOS)
    return TransformersEngine(model, tokenizer).draw(contexts, [str(i) for i in range(len(contexts))], SAMPLING)


def generate(model: PreTrainedModel, contexts: list[list[int]]) -> list[list[int]]:
    """Draw with ``generate``, all prompts in one batch."""
    width = max(map(len, contexts))
    tokens = torch.tensor([[0] * (width - len(context)) + context for context in contexts], device=model.device)
    settings = GenerationConfig(
        max_new_tokens=SAMPLING.new_tokens,
        do_sample=True,
        top_k=SAMPLING.top_k,
        top_p=SAMPLING.top_p,
        pad_token_id=0,
        eos_token_id=EOS,
    )
    output = model.generate(  # type: ignore[operator]
        input_ids=tokens, attention_mask=(tokens != 0).long(), generation_config=settings
    )
    rows: list[list[int]] = output[:, width:].tolist()
    return [row[: row.index(EOS) + 1] if EOS in row else row for row in rows]


SIDES = {"ours": ours, "generate": generate}


def main() -> None:
    """Draw and print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("kind", choices=EOS_LOGIT)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    arguments = parser.parse_args()
    if arguments.side == "ours":
        one_thread()
    torch.set_num_threads(1)
    model = model_that_ends(arguments.shape, arguments.kind)
    torch.nn.Module.to(model, arguments.device)
    numbers = random.Random(0)
    vocabulary = SHAPES[arguments.shape]["vocab_size"]
    contexts = [
        [numbers.randrange(3, vocabulary) for _ in range(numbers.randint(2, 8))]
        for _ in range(PROMPTS[arguments.shape])
    ]
    draw = SIDES[arguments.side]
    draw(model, contexts[:8])  # the first call loads and allocates
    cpu, wall, tokens = time.process_time(), time.monotonic(), 0
    for _ in range(ROUNDS[arguments.shape]):
        tokens += sum(map(len, draw(model, contexts)))
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    responses = ROUNDS[arguments.shape] * len(contexts)
    print(
        json.dumps({"tokens_per_cpu_s": tokens / cpu, "tokens_per_s": tokens / wall, "mean_length": tokens / responses})
    )


if __name__ == "__main__":
    main()
