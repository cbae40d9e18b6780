"""What each kind of job is told: exactly the values that it uses, as JSON on its command line.

Snakemake reruns a job when this text changes, so nothing belongs here that does not change the result.
"""

from elasticity.config.base import Section
from elasticity.config.data import Beginnings, Source
from elasticity.config.splits import Take


class FetchJob(Section):
    """Read a source, clean it, and drop duplicates."""

    source: Source


class SplitJob(Section):
    """Fill the last of these splits; the others are filled before it."""

    takes: tuple[Take, ...]


class PromptJob(Section):
    """Cut the beginnings off texts."""

    prompts: Beginnings


class QuestionJob(Section):
    """Take the prompts of examples: nothing to say."""
