"""Training: the loop, its backends, checkpoints, and the objectives."""
