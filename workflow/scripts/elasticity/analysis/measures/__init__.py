"""Measures of experiments. Each module registers its measures with ``elasticity.config.measures.measure``."""
