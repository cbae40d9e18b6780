"""From sources to examples: readers, adapters, cleaning, splits, prompts, and chat templates."""
