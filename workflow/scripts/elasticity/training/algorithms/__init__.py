"""The training algorithms, one module each: a new one is a new file here, which nothing else lists."""
