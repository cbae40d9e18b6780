"""Fetch a score model from the hub."""

from elasticity.config.score_models import SCORE_MODEL_FILES
from elasticity.core.hub import fetch
from elasticity.models.jobs import FetchScoreModelJob
from elasticity.runtime.command import Command

with Command(__doc__, FetchScoreModelJob, output="fetched") as command:
    fetch(command.job.repo, command.job.revision, SCORE_MODEL_FILES, command.path("fetched"))
