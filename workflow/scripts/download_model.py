"""Fetch a model from the hub."""

from elasticity.models.jobs import FetchModelJob
from elasticity.models.sources import fetch
from elasticity.runtime.command import Command

with Command(__doc__, FetchModelJob, output="source") as command:
    fetch(command.job.model, command.path("source"))
