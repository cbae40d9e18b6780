"""A run in progress: what is done and what failed, saved states that are left over, and seeds that were added."""
