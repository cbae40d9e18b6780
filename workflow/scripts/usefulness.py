"""Measure all answers of a base model and of what it became: repetition, and code lengths under the base model.

Answers are named by patterns: see ``paths``.
"""

import sys

from elasticity.core.path_patterns import unfold
from elasticity.core.tables import read_rows, write_table
from elasticity.data.examples import answer_examples
from elasticity.evaluation.jobs import UsefulnessJob
from elasticity.evaluation.likelihood import code_lengths
from elasticity.evaluation.schemas import ANSWERS, USEFULNESS
from elasticity.evaluation.text_statistics import answers_at_once, repetition
from elasticity.models.loading import load_for_measuring, one_thread
from elasticity.models.tokenizer import load_tokenizer
from elasticity.runtime.command import Command
from elasticity.runtime.progress import progress

with Command(__doc__, UsefulnessJob, "base", "answers", output="usefulness") as command:
    one_thread()
    folder = command.path("base") / str(command.job.base_rung)
    base, tokenizer = load_for_measuring(folder), load_tokenizer(folder)
    rows = []
    for path in progress(unfold(command.paths("answers")), "measure", "files", command.journal):
        answers = read_rows(path, ANSWERS)
        examples = answer_examples(answers, tokenizer, sys.maxsize)
        longest = max(len(example.tokens) for example in examples)
        at_once = answers_at_once(base.config.vocab_size, longest)
        lengths = code_lengths(base, examples, tokenizer.pad_token_id, at_once)
        for answer, example, nats in zip(answers, examples, lengths, strict=True):
            measured = {
                "repetition": repetition(answer["answer_tokens"]),
                "coded_tokens": len(example.tokens) - example.answer_start,
                "base_nats": nats,
            }
            rows.append({name: answer[name] for name in USEFULNESS.names if name in answer} | measured)
    write_table(command.path("usefulness"), rows, USEFULNESS)
    print(f"{len(rows)} answers")
