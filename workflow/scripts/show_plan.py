"""Print what a study resolves to and what it will cost."""

from elasticity.budget import report
from elasticity.command import Command
from elasticity.errors import errors_for_people
from elasticity.jobs import ProvenanceJob

with errors_for_people():
    print(report(Command(__doc__, ProvenanceJob).job.study))
