"""The elasticity of language models: the library, which can be read without Snakemake.

Twelve packages, from the lowest layer to the highest. A package imports only from those before it; import-linter checks
this (``pyproject.toml``).

==============  ======================================================================================================
``core``        errors, digests, registries, tables in parquet, the hub: no knowledge of what is measured
``config``      the study as types, a module a section; how it is read and validated
``runtime``     how a job runs: command line, journal and lock, progress, processes, GPUs
``models``      models and tokenizers: make, load, import, save; their shapes
``data``        from sources to examples: readers, formats, cleaning, splits, prompts, templates
``resources``   memory, parallelism, time and FLOPs of a job
``evaluation``  responses, scores, likelihoods, compression, text statistics
``training``    the loop, backends, checkpoints, algorithms
``analysis``    aggregation, measures, tests, verdicts, springs, theory
``plots``       figures
``report``      the page, cards, provenance
``pipeline``    the study as a graph: jobs, their files and their resource requests; cost and status
==============  ======================================================================================================

``data`` and ``resources`` do not know each other. Additions go into registries: see ``core.registry`` and
docs/extending.md.
"""

import gc

gc.set_threshold(100_000, 10, 10)
"""Importing torch and transformers creates millions of objects; collecting garbage among them takes a fifth of the time
that a job needs to start."""
