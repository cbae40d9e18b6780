"""Resources of a job: memory, parallelism, time, and floating-point operations."""
