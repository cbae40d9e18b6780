"""Checks of measurements. Each module registers its checks with ``elasticity.config.checks.check``."""
