"""Models and tokenizers: made, loaded, imported, saved; the shape of each."""
