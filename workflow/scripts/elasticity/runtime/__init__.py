"""How jobs run: command line, journal and lock, progress, launching, environment, and GPUs."""
