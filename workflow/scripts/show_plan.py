"""Print what a study (the JSON of a ``ProvenanceJob``) resolves to and what it will cost."""

import sys

from elasticity.budget import report
from elasticity.errors import errors_for_people
from elasticity.jobs import ProvenanceJob

with errors_for_people():
    print(report(ProvenanceJob.model_validate_json(sys.argv[1]).study))
