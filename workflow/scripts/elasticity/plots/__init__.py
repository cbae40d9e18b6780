"""The figures of a study; see ``plots.figure``."""
