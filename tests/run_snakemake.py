"""Snakemake's command line as a script, which a fork server can run (see ``tests.starting``)."""

from snakemake.cli import main

main()
