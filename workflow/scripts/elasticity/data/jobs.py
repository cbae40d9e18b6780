"""Job specs of the data jobs: exactly the values that a job uses, as JSON on its command line.

Snakemake reruns a job when its spec changes, so a spec holds only values that change the result.
"""

from pydantic import PositiveInt

from elasticity.config.base import Section
from elasticity.config.data import Prompts, Source
from elasticity.config.formats import Sides
from elasticity.config.splits import Take


class FetchJob(Section):
    """Read a source, clean its examples, and drop duplicates.

    Each of ``sides`` must have examples. Those whose prompts have more UTF-8 bytes than ``longest_prompt`` are counted.
    """

    source: Source
    sides: Sides
    longest_prompt: PositiveInt | None = None


class SplitJob(Section):
    """Take the examples of the last of these splits; the others are filled before it."""

    takes: tuple[Take, ...]


class PromptJob(Section):
    """Make prompts: cut them from the beginnings of texts, or take those of examples."""

    prompts: Prompts
