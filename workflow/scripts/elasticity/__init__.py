"""The elasticity of language models: everything that can be understood without Snakemake.

Low to high: ``errors``, ``digests`` → ``study``, ``records`` → ``ladders``, ``plan`` → ``sources``, ``pools``,
``examples``, ``models`` → ``state``, ``training``, ``generation``, ``crossentropy``, ``scoring`` → ``judgement`` →
``figures``. No module imports one to its right, and nothing here knows Snakemake.
"""
