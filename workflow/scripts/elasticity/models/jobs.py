"""Job specs of the model jobs: exactly the values that a job uses, as JSON on its command line.

Snakemake reruns a job when its spec changes, so a spec holds only values that change the result.
"""

from pydantic import PositiveInt

from elasticity.config.base import Section
from elasticity.config.data import Repository, Revision
from elasticity.config.models import HubModel, ImportedModel


class TokenizerJob(Section):
    """Train a tokenizer."""

    vocabulary: PositiveInt


class FetchScoreModelJob(Section):
    """Fetch a score model from the hub."""

    repo: Repository
    revision: Revision


class FetchModelJob(Section):
    """Fetch a model from the hub."""

    model: HubModel


class ImportJob(Section):
    """Import a model from a folder, the hub, or a GGUF file."""

    model: ImportedModel
