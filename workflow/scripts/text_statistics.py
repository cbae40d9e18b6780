"""Measure all responses of a base model and of the models trained from it: repetition, and code length under the base.

The files of responses are named by patterns: see ``elasticity.core.path_patterns``.
"""

import sys

from elasticity.core.path_patterns import unfold
from elasticity.core.tables import read_rows, write_table
from elasticity.data.examples import response_examples
from elasticity.evaluation.jobs import TextStatisticsJob
from elasticity.evaluation.likelihood import code_lengths
from elasticity.evaluation.schemas import RESPONSES, TEXT_STATISTICS
from elasticity.evaluation.text_statistics import repetition, responses_at_once
from elasticity.models.loading import load_for_measuring, one_thread
from elasticity.models.tokenizer import load_tokenizer
from elasticity.runtime.command import Command
from elasticity.runtime.progress import progress

with Command(__doc__, TextStatisticsJob, "base", "responses", output="text-statistics") as command:
    one_thread()
    folder = command.path("base") / str(command.job.base_checkpoint)
    base, tokenizer = load_for_measuring(folder), load_tokenizer(folder)
    rows = []
    for path in progress(unfold(command.paths("responses")), "measure", "files", command.journal):
        responses = read_rows(path, RESPONSES)
        examples = response_examples(responses, tokenizer, sys.maxsize)
        longest = max(len(example.tokens) for example in examples)
        at_once = responses_at_once(base.config.vocab_size, longest)
        lengths = code_lengths(base, examples, tokenizer.pad_token_id, at_once)
        for response, example, nats in zip(responses, examples, lengths, strict=True):
            measured = {
                "repetition": repetition(response["response_tokens"]),
                "coded_tokens": len(example.tokens) - example.response_start,
                "base_nats": nats,
            }
            rows.append({name: response[name] for name in TEXT_STATISTICS.names if name in response} | measured)
    write_table(command.path("text_statistics"), rows, TEXT_STATISTICS)
    print(f"{len(rows)} responses")
