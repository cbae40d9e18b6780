from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from elasticity.data.pairs import Row, any_prompt, same_prompt


def rows(prompts: list[int], side: str) -> list[Row]:
    return [{"id": f"{side}{i}", "prompt": f"question {p}", "response": f"{side} {i}"} for i, p in enumerate(prompts)]


sides = st.lists(st.integers(0, 4), max_size=12)


@given(sides, sides, st.integers(0, 3))
def test_pairs_share_a_prompt_and_use_each_row_once(good: list[int], bad: list[int], seed: int) -> None:
    pairs = same_prompt(rows(good, "good"), rows(bad, "bad"), seed)
    assert all(chosen["prompt"] == rejected["prompt"] for chosen, rejected in pairs)
    assert len({chosen["id"] for chosen, _ in pairs}) == len({rejected["id"] for _, rejected in pairs}) == len(pairs)
    assert len(pairs) == (Counter(good) & Counter(bad)).total()  # as many as there can be


def test_plain_texts_are_paired_in_the_shuffled_order() -> None:
    chosen = [{"id": f"c{i}", "prompt": "", "response": ""} for i in range(6)]
    rejected = [{"id": f"r{i}", "prompt": "", "response": ""} for i in range(9)]
    pairs = same_prompt(chosen, rejected, 1)
    assert pairs == any_prompt(chosen, rejected, 1)
    assert pairs == same_prompt(chosen[::-1], rejected[::-1], 1)
    assert pairs != same_prompt(chosen, rejected, 2)
    assert len(pairs) == 6
