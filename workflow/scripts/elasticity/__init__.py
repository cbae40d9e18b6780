"""The elasticity of language models: everything that can be understood without Snakemake.

Low to high: ``errors``, ``digests`` → ``settings``, ``study``, ``reading``, ``records``, ``command`` → ``ladders``,
``pools``, ``jobs``, ``materials_plan``, ``plan``, ``resistance_plan``, ``budget`` → ``sources``, ``tokenization``,
``prompts``, ``models``, ``examples`` → ``state``, ``training``, ``runs``, ``generation``, ``crossentropy``,
``scoring`` → ``judgement`` → ``figures``, ``provenance``. No module imports one to its right, and nothing
here knows Snakemake.
"""

import gc

gc.set_threshold(100_000, 10, 10)
"""Importing torch and transformers makes millions of objects; collecting among them takes a fifth of a job's start."""
