"""Print what a study (its JSON, hardware included) resolves to and what it will cost."""

import sys

from elasticity.config.study import Study
from elasticity.core.errors import errors_for_people
from elasticity.pipeline.cost import report

with errors_for_people():
    print(report(Study.model_validate_json(sys.argv[1])))
