"""Write the losses and metrics of the finished runs of a study for TensorBoard: python track.py STUDYFILE."""

import argparse
from pathlib import Path

from elasticity.config.loading import read_study_file
from elasticity.core.errors import errors_for_people
from elasticity.pipeline.rebound import Plan
from elasticity.training.tensorboard import track

with errors_for_people():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, metavar="STUDYFILE")
    results = Path(Plan(read_study_file(parser.parse_args().study)).results)
    print(f"{track(results, results / 'tracking')} runs; look at them with: tensorboard --logdir {results}/tracking")
