"""What is measured of a model: responses, scores, likelihoods, compression rates, and text statistics."""
