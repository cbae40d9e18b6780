"""What a second side needs of the first one to go on with its optimizer."""

from collections.abc import Iterator

from elasticity.settings import FineTuning


def carried_mistakes(where: str, first: FineTuning, second: FineTuning) -> Iterator[str]:
    """Its moments must belong to the very weights that the second side trains."""
    if second.optimizer == "fresh":
        return
    for name, settings in (("first_recipe", first), ("second_recipe", second)):
        if settings.lora:
            yield (
                f"{where}.{name}: optimizer: carried goes on with the moments of all weights, but lora trains "
                "adapters, which each stage makes anew: leave one of them out"
            )
    if first.extrapolation:
        yield (
            f"{where}.first_recipe: optimizer: carried goes on from the last weights of the first side, but "
            "extrapolation moves them away from what its moments belong to: leave one of them out"
        )
