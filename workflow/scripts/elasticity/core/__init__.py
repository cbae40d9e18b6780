"""Errors, digests, registries, parquet tables and the Hugging Face hub. Nothing here depends on what is measured."""
