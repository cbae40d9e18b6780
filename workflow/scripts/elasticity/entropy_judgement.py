"""The equal-entropy control in numbers: own entropies of the slices before and after prompts were chosen."""

import pandas as pd

from elasticity.judgement import over_seeds

VALUES = [f"{value}_{when}" for when in ("before", "after") for value in ("first", "second", "gap", "mean_gap")]
"""Own entropies of the two slices in nats per token, second less first, and the mean of that over prompts: of all
prompts, and of those that were chosen."""


def entropy_seeds(chosen: pd.DataFrame) -> pd.DataFrame:
    """What ``VALUES`` names for each pair and kind of answers of one seed; ``chosen`` has schema ``CHOSEN``."""
    rows = []
    for (first, second, answers), group in chosen.groupby(["first", "second", "answers"], sort=True):
        after = group[group["chosen"]]
        row = {"pair": f"{first}-{second}", "answers": answers, "prompts": len(group), "chosen": len(after)}
        for when, part in {"before": group, "after": after}.items():
            row |= {f"{name}_{when}": value for name, value in _entropies(part).items()}
        rows.append(row)
    return pd.DataFrame(rows)


def entropy_table(per_seed: pd.DataFrame) -> pd.DataFrame:
    """Means and intervals over seeds for each base, pair and kind of answers."""
    return over_seeds(per_seed, ["base", "pair", "answers", "prompts", "chosen"], VALUES)


def _entropies(rows: pd.DataFrame) -> dict[str, float]:
    pooled = {name: float(rows[f"{name}_nats"].sum() / rows[f"{name}_tokens"].sum()) for name in ("first", "second")}
    gaps = rows["second_nats"] / rows["second_tokens"] - rows["first_nats"] / rows["first_tokens"]
    return pooled | {"gap": pooled["second"] - pooled["first"], "mean_gap": float(gaps.mean())}
