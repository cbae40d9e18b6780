"""Snakemake's command line as a script, which a fork server can run (see ``tests.starting``)."""

import sys
from pathlib import Path

from snakemake.cli import main

sys.argv[0] = str(Path(sys.executable).with_name("snakemake"))  # messages say how to run a job again

main()
