"""Models and tokenizers: making, fetching, importing, loading and saving them; and the shapes of models."""
