"""What a study will cost, what its claims can detect, and how its training examples look, before anything runs."""
