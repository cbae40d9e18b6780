"""The elasticity of language models: everything that can be understood without Snakemake.

Low to high: ``errors``, ``digests`` → ``journal`` → ``progress``, ``failures``, ``signals``, ``settings``,
``hardware``, ``splits``, ``compression_settings``, ``experiments``, ``compression_checks``, ``springs_checks``,
``score_checks``, ``study``, ``local_gpus``, ``reading``, ``records``, ``command`` → ``shapes``, ``flops``,
``geometry``, ``memory``, ``fitting``, ``resources`` → ``divide``, ``jobs``, ``materials_plan``, ``plan``,
``compression_plan``, ``springs_jobs``, ``springs_plan``, ``resistance_plan``, ``theory_plan``, ``targets``,
``budget``, ``requests``, ``status`` → ``launching``, ``gpus``, ``processes`` → ``cleaning``, ``filling``, ``formats``,
``hub``, ``archives``, ``passages``, ``tabular``, ``sources``, ``tokenization``, ``prompts``, ``probe``, ``models``,
``examples``, ``joint`` → ``backends``, ``distributed``, ``state``, ``training``, ``metrics``, ``runs``,
``vllm_engine``, ``generation``, ``crossentropy``, ``held_out_texts``, ``compression``, ``arithmetic_coding``,
``coding``, ``scoring`` → ``packers``, ``huffman``, ``token_tree``, ``pareto``, ``elasticity_theorem``,
``theory_table``, ``judgement``, ``compression_judgement``, ``springs`` → ``figures``, ``theory_figures``,
``compression_figures``, ``spring_figures``, ``provenance``, ``tracking``. No module imports one to its right, and
nothing here knows Snakemake.
"""

import gc

gc.set_threshold(100_000, 10, 10)
"""Importing torch and transformers makes millions of objects; collecting among them takes a fifth of a job's start."""
