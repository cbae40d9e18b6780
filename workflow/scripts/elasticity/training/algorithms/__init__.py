"""Training algorithms, one module each. ``ALGORITHMS`` imports every module of this package."""
