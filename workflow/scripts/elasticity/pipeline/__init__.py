"""The study as a graph: the jobs there are, what each is asked to do, what it needs, and its state."""
