"""The study of models and data that a user names: what they are, sizes that fit, and the file."""
