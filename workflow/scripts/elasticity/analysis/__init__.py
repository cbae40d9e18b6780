"""From tables of cells to measures, tests, verdicts, and the theory; no model is loaded here."""
