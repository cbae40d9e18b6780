"""Fetch a model from the hub."""

from elasticity.command import Command
from elasticity.importing import fetch
from elasticity.jobs import FetchModelJob

with Command(__doc__, FetchModelJob, output="source") as command:
    fetch(command.job.model, command.path("source"))
