"""What a job needs: memory, parallelism, time, and floating-point operations."""
