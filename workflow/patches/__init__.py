"""Changes to Snakemake and its plugins that this workflow needs until they are in a release."""
