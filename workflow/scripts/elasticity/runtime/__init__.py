"""How a job runs: its command line, its journal and lock, progress, launching, and GPUs."""
