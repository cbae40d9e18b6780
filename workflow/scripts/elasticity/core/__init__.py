"""Errors, digests, the hub, and tables in parquet: what every package uses, with no knowledge of what is measured."""
