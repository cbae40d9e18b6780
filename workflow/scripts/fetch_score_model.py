"""Fetch a score model from the hub."""

from elasticity.command import Command
from elasticity.fetching import fetch
from elasticity.jobs import FetchScoreModelJob
from elasticity.score_settings import JUDGE_FILES

with Command(__doc__, FetchScoreModelJob, output="fetched") as command:
    fetch(command.job.repo, command.job.revision, JUDGE_FILES, command.path("fetched"))
