"""Print what a study (its JSON, hardware included) resolves to and what it will cost."""

import sys

from elasticity.budget import report
from elasticity.errors import errors_for_people
from elasticity.study import Study

with errors_for_people():
    print(report(Study.model_validate_json(sys.argv[1])))
