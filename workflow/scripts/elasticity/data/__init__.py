"""From data sources to training examples: readers, formats, cleaning, splits, prompts and chat templates."""
