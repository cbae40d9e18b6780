"""How seeds are added to a study until its claims are decided."""

from pydantic import Field, PositiveInt

from elasticity.config.base import Section


class Decide(Section):
    """Seeds that ``make decide`` adds to those of the study, in rounds, until every confirmatory claim is decided.

    The first round is the ``seeds`` of the study; the next seeds are the numbers that follow the largest of them. All
    claims are tested after each round, with p-values that hold for all rounds together.
    """

    start: int = Field(ge=2, description="The number of seeds of the first round, which is that of `seeds`")
    step: PositiveInt = Field(description="The number of seeds that a round adds")
    at_most: PositiveInt = Field(description="The number of seeds after which no more are added")

    @property
    def looks(self) -> tuple[int, ...]:
        """The numbers of seeds after each round."""
        return (*range(self.start, self.at_most, self.step), self.at_most)
