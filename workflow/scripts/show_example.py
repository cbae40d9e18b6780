"""Print one example as a model is trained on it: python show_example.py STUDYFILE TASK MODEL."""

import argparse
from pathlib import Path

from elasticity.config.loading import read_study_file
from elasticity.core.errors import errors_for_people
from elasticity.pipeline.preview import shown_example

with errors_for_people():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, metavar="STUDYFILE")
    parser.add_argument("task")
    parser.add_argument("model", help="a base model of the study")
    arguments = parser.parse_args()
    study = read_study_file(arguments.study)
    print(shown_example(study, arguments.study, arguments.task, arguments.model))
