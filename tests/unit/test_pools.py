import hashlib
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.errors import UserError
from elasticity.pools import PARTS, layout, take
from elasticity.sources import clean
from elasticity.study import Pools

SIZE, SOME = st.integers(1, 9), st.integers(0, 9)
POOLS = st.builds(
    Pools,
    prompts=SIZE,
    held_out=SIZE,
    score_model=SIZE,
    resistance=SOME,
    positive=SIZE,
    negative=SIZE,
    pretraining=SOME,
)
TEXTS = [
    {"id": hashlib.sha256(str(i).encode()).hexdigest()[:16], "side": ("negative", "positive")[i % 2], "text": str(i)}
    for i in range(240)
]
TEXTS.sort(key=lambda row: row["id"])


def sizes(pools: Pools) -> dict[str, int]:
    held_out = {f"held-out-{corpus}": pools.held_out for corpus in ("pretraining", "positive", "negative")}
    own = pools.model_dump(exclude={"held_out", "score_model", "resistance"})
    return own | held_out | {"score-model": pools.score_model} | dict.fromkeys(PARTS, pools.resistance)


@given(POOLS)
def test_pools_have_their_sizes_and_no_text_in_common(pools: Pools) -> None:
    taken = {pool: {row["id"] for row in take(TEXTS, stretches)} for pool, stretches in layout(pools).items()}
    assert {pool: len(texts) for pool, texts in taken.items()} == sizes(pools)
    assert not [pair for pair in combinations(taken, 2) if taken[pair[0]] & taken[pair[1]]]


@given(POOLS)
def test_pools_hold_one_side_or_half_of_each(pools: Pools) -> None:
    for pool, stretches in layout(pools).items():
        sides = [row["side"] for row in take(TEXTS, stretches)]
        if pool.endswith(("positive", "negative")):
            assert set(sides) == {pool.removeprefix("held-out-")}
        else:
            assert sides.count("positive") - sides.count("negative") in (0, 1)


@given(POOLS, st.randoms(use_true_random=False))
def test_the_order_of_the_source_does_not_matter(pools: Pools, random: Any) -> None:
    source = [(f"review {i}", ("negative", "positive")[i % 2]) for i in range(240)]
    mixed = source.copy()
    random.shuffle(mixed)
    stretches = layout(pools)["score-model"]
    assert take(clean(mixed)[0], stretches) == take(clean(source)[0], stretches)


@given(POOLS, st.integers(1, 9))
def test_a_larger_pretraining_pool_leaves_the_others_alone(pools: Pools, more: int) -> None:
    larger = pools.model_copy(update={"pretraining": pools.pretraining + more})
    before, after = layout(pools), layout(larger)
    assert {pool for pool in before if before[pool] != after[pool]} == {"pretraining"}


def test_too_few_texts_are_an_error_with_both_numbers() -> None:
    with pytest.raises(UserError, match="need 121 or more negative texts, but the data hold 120"):
        take(TEXTS, {"positive": (0, 5), "negative": (3, 121)})
