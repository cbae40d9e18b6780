"""Tables as CSV: for spreadsheets, which execute some texts, and back."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.analysis.table import read_csv, write_csv

FORMULAS = ["=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x","y")', "-", "'=1", "''@x"]
"""Texts that a spreadsheet would execute, and texts that look as if they had been escaped."""


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_a_spreadsheet_would_execute_is_escaped_and_read_back(text: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"label": [text, "plain"], "value": [-1.5, 2.0]})
    write_csv(table, tmp_path / "table.csv")
    written = pd.read_csv(tmp_path / "table.csv", lineterminator="\n", keep_default_na=False)
    assert list(written["label"]) == [f"'{text}", "plain"]
    assert (tmp_path / "table.csv").read_text().endswith("plain,2\n")
    pd.testing.assert_frame_equal(read_csv(tmp_path / "table.csv"), table)


def test_numbers_and_other_texts_are_written_as_they_are(tmp_path: Path) -> None:
    table = pd.DataFrame({"label": ["it's", "'quoted'", "a=b", "−1"], "value": [-1, -2, -3, 4], "empty": [None] * 4})
    write_csv(table, tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text() == "label,value,empty\nit's,-1,\n'quoted',-2,\na=b,-3,\n−1,4,\n"


@given(st.lists(st.text(st.sampled_from("'=+-@\t\ra,\n\""), min_size=1), min_size=1))
def test_every_text_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    write_csv(pd.DataFrame({"base": texts}), path)
    assert list(read_csv(path)["base"]) == texts
