"""Start a job's processes: ``launch.py --device cpu --nodes 1 --processes 2 ... SCRIPT ARGUMENT ...``.

Options are those of ``elasticity.runtime.launch.Launch``. This process becomes the command that it makes of them; a
single process runs the script itself, which saves the start of another interpreter.
"""

import argparse
import os
import runpy
import sys
import tempfile
from pathlib import Path

from pydantic import ValidationError

from elasticity.core.errors import UserError, errors_for_people
from elasticity.runtime.gpus import take, visible
from elasticity.runtime.launch import Launch

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
for name in Launch.model_fields:
    parser.add_argument(f"--{name.replace('_', '-')}", default=argparse.SUPPRESS)
parser.add_argument("script", nargs=argparse.REMAINDER)
options = vars(parser.parse_args())
script = options.pop("script")
with errors_for_people():
    try:
        launch = Launch.model_validate_strings(options)
    except ValidationError as error:
        raise UserError(f"the job cannot be launched: {error}") from None
    os.environ.update(launch.environment())
    names = visible(os.environ, launch.gpus_per_node)
    # A scheduler gives each job its own; but one allocation may hold many jobs (salloc, then snakemake in it).
    given = "SLURM_JOB_ID" in os.environ and len(names) <= launch.gpus
    if launch.gpus_per_node and launch.nodes == 1 and not given:
        # Allocations number their GPUs from 0, each its own.
        allocation = os.environ.get("SLURM_JOB_ID", "none")
        locks = Path(tempfile.gettempdir()) / f"elasticity-gpus-{os.getuid()}-{allocation}"
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(take(launch.gpus, names, locks))
    command = launch.command(script, os.environ)
# A process that was forked with torch (see elasticity.runtime.preloading) uses no GPU: torch is imported anew for one.
if command == [sys.executable, *script] and not (launch.device == "cuda" and "torch" in sys.modules):
    sys.argv = script
    runpy.run_path(script[0], run_name="__main__")
else:
    sys.stdout.flush()
    os.execvp(command[0], command)
