"""Run Snakemake on the command line of this script, as ``python -m snakemake`` does: fork servers run files only."""

from snakemake.cli import main

if __name__ == "__main__":
    main()
