"""The elasticity of language models: everything that can be understood without Snakemake.

Low to high: ``errors``, ``digests`` → ``journal`` → ``progress``, ``failures``, ``signals``, ``settings``,
``hardware``, ``pools``, ``study``, ``local_gpus``, ``reading``, ``records``, ``command`` → ``shapes``, ``flops``,
``geometry``, ``memory``, ``fitting``, ``resources`` → ``ladders``, ``jobs``, ``materials_plan``, ``plan``,
``resistance_plan``, ``budget``, ``demands``, ``status`` → ``launching``, ``gpus``, ``processes`` → ``cleaning``,
``filling``, ``formats``, ``hub``, ``tabular``, ``sources``, ``tokenization``, ``prompts``, ``probe``, ``models``,
``examples`` → ``backends``, ``distributed``, ``state``, ``training``, ``metrics``, ``runs``, ``vllm_engine``,
``generation``, ``crossentropy``, ``scoring`` → ``judgement`` → ``figures``, ``provenance``, ``tracking``. No module
imports one to its right, and nothing here knows Snakemake.
"""

import gc

gc.set_threshold(100_000, 10, 10)
"""Importing torch and transformers makes millions of objects; collecting among them takes a fifth of a job's start."""
