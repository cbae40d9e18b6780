"""Checks of resistance experiments: tuning comes closer to its target, and its texts are distinct."""

import math

from elasticity.analysis.checks.inputs import Bounds, Checked, CheckInputs, bounds
from elasticity.config.checks import check

DISTINCT = 0.5
"""The least share of distinct texts among those that a slice is tuned on."""


@check(
    "closer",
    title="share of the distance to the target that tuning closes, in the worse direction",
    needed="above 0 by more than noise",
    failed="tuning did not come closer to its target, so that the two directions cannot be compared",
)
def came_closer(inputs: CheckInputs) -> Checked | None:
    """The share closed on average, and whether the KL fell by more than the noise between seeds, in each direction."""
    if inputs.resistance is None:
        return None
    rows = inputs.resistance.assign(fall=inputs.resistance["kl_before"] - inputs.resistance["kl_exact"])
    falls = rows.groupby(["direction", "seed"])["fall"].mean()
    worst = Bounds(*map(min, zip(*(bounds(falls[side].to_numpy()) for side in ("forward", "inverse")), strict=True)))
    if math.isnan(worst.low):
        return None
    sums = rows.groupby("direction")[["fall", "kl_before"]].sum()
    return worst.checked(float((sums["fall"] / sums["kl_before"]).min()))


@check(
    "distinct-twins",
    title="share of distinct texts among those tuned on",
    needed=f"at least {DISTINCT:g}",
    failed="the slices write the same few texts, which teach no distribution; raise twin_sampling.temperature",
)
def texts_are_distinct(inputs: CheckInputs) -> Checked | None:
    """The least share of distinct texts of any slice, on average over seeds."""
    if inputs.resistance is None:
        return None
    share = float(inputs.resistance.groupby("target")["texts"].mean().min())
    return Checked(share, share >= DISTINCT)
