"""Known data formats, one module for each data set. To add a format, add a module: see docs/extending.md."""
