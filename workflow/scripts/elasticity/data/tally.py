"""What became of the rows of a source: how many were read, and why no example was made of some of them."""

from collections import Counter
from dataclasses import dataclass, field

from elasticity.data.rows import PassedOverError

REASONS = 100
"""Different reasons that are counted apart; a label with very many values, such as a rating, is counted in one."""


@dataclass
class Tally:
    """Rows that were read, and those that were passed over, by reason."""

    rows: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)

    def passed(self, reason: PassedOverError) -> None:
        """Count a row that is passed over."""
        name = str(reason)
        self.passed_over[name if name in self.passed_over or len(self.passed_over) < REASONS else "other reasons"] += 1
