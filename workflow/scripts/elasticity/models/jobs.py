"""What each kind of job is told: exactly the values that it uses, as JSON on its command line.

Snakemake reruns a job when this text changes, so nothing belongs here that does not change the result.
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
