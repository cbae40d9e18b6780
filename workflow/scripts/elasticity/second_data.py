"""What a second side is trained on: the opposite side of its task, or what its recipe names instead, as a control."""

from dataclasses import dataclass

from elasticity.settings import Data, FineTuning, Name, Opposed, Side, opposite


@dataclass(frozen=True)
class SecondData:
    """A side of a task, which may go on with the first side behind the examples that this one saw."""

    task: Name
    side: Side
    continues: bool
    name: str
    """For readers, before the word examples."""

    @property
    def examples(self) -> str:
        """The pool to train on, below the results of the study."""
        return f"{self.task}/pools/{self.side}.parquet"

    def skip(self, first_size: int) -> int:
        """Examples that come first in the order of the seed and are passed over, after a first side of this size."""
        return first_size if self.continues else 0

    @property
    def held_out(self) -> str:
        """Held-out texts of the same kind; those of neutral data have no side."""
        return f"{self.task}/pools/held-out-{'pretraining' if self.side == 'neutral' else self.side}.parquet"


def second_data(recipe: FineTuning, task: Name, first_side: Opposed) -> SecondData:
    """Of a recipe for the second side, after a first side of a task."""
    data = recipe.data or Data(side="opposite")
    sides: dict[str, Side] = {"opposite": opposite(first_side), "same": first_side, "neutral": "neutral"}
    side, own = sides[data.side], data.task in (None, task)
    continues = own and data.side == "same"
    name = f"{'more ' if continues else ''}{side}{'' if own else f' {data.task}'}"
    return SecondData(data.task or task, side, continues, name)
