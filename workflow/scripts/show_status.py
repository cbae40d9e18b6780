"""Print where a study stands. Only looks, so it works while the study runs: python show_status.py STUDYFILE."""

import argparse
from pathlib import Path

from elasticity.config.loading import read_study_file
from elasticity.core.errors import errors_for_people
from elasticity.pipeline.status import status

with errors_for_people():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, metavar="STUDYFILE")
    file = parser.parse_args().study
    print(status(read_study_file(file), file))
