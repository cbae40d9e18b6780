from typing import Any

import pandas as pd
import pytest

from elasticity.analysis.tables.score_model import COLUMNS, score_model_table

QUALITY = {"test_texts": 10, "test_snippets": 40, "accuracy": 0.75, "auc": 0.8, "share_positive": 0.5, "shift": 0.1}
PROMPTS = pd.DataFrame({"id": ["p", "q", "r", "s"], "side": ["positive", "positive", "negative", "negative"]})


def scores(base: str, **drawn: list[float]) -> list[dict[str, Any]]:
    return [
        {"base": base, "alignment_side": None, "prompt_id": prompt, "draw": draw, "score": score}
        for prompt, found in drawn.items()
        for draw, score in enumerate(found)
    ]


def test_responses_have_the_label_of_their_prompt() -> None:
    rows = scores("nano", p=[0.9, 0.8], q=[0.7, 0.2], r=[0.1, 0.6], s=[0.3, 0.4])
    aligned = [rows[0] | {"alignment_side": "positive", "score": 0.0}]
    table = score_model_table(QUALITY, pd.DataFrame(rows + aligned), PROMPTS, 0.5)
    assert list(table) == COLUMNS
    held_out, base = table.to_dict("records")
    assert (held_out["texts"], held_out["scored"], held_out["accuracy"], held_out["auc"]) == (10, 40, 0.75, 0.8)
    assert (base["text"], base["texts"], base["scored"]) == ("responses of nano", 4, 8)
    assert base["accuracy"] == 0.75
    assert base["accuracy_low"] < 0.75 < base["accuracy_high"]
    assert base["share_positive"] == 0.5
    assert base["auc"] == pytest.approx(13 / 16)  # of 16 pairs of a positive and a negative prompt's responses


def test_prompts_of_one_side_have_no_labels_to_tell_apart() -> None:
    table = score_model_table({}, pd.DataFrame(scores("nano", p=[1.0], q=[-1.0])), PROMPTS, 0.0)
    assert table.loc[1, "share_positive"] == 0.5
    assert table.loc[1, ["accuracy", "auc"]].isna().all()
    assert table.loc[0, ["texts", "scored"]].tolist() == [0, 0]
