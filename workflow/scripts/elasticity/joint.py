"""All corpora at once, as the elasticity theorem has them: the sequences of three runs, shuffled together."""

from collections.abc import Sequence
from dataclasses import replace

from elasticity.examples import Example, shuffled
from elasticity.records import AMOUNTS


def mixed(corpora: Sequence[Sequence[Example]], seed: int) -> list[Example]:
    """Every example of every corpus, each once, in an order that depends on the seed."""
    together = [
        replace(example, identity=f"{number}: {example.identity}")
        for number, corpus in enumerate(corpora, start=1)
        for example in corpus
    ]
    return [together[i] for i in shuffled([example.identity for example in together], seed)]


def amounts(corpora: Sequence[Sequence[Example]]) -> dict[str, int]:
    """Target tokens of D1, D2, D3, under the names of schema ``AMOUNTS``."""
    names = AMOUNTS.names[-len(corpora) :]
    return {
        name: sum(len(example.tokens) - example.answer_start for example in corpus)
        for name, corpus in zip(names, corpora, strict=True)
    }
