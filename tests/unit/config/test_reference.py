"""The generated reference of a study's keys describes every key, and its links lead to its headings."""

import re

from elasticity.config.reference import reference

TABLE_ROW = re.compile(r"^\| `([a-z_0-9]+)` \| (.+?) \| (.*?) \| (.*) \|$", re.MULTILINE)


def section(title: str) -> str:
    """The part of the reference below a heading."""
    return reference().split(f"## {title}\n")[1].split("\n## ")[0]


def test_every_key_has_a_type_and_a_meaning() -> None:
    rows = TABLE_ROW.findall(reference())
    assert len(rows) > 150
    assert [key for key, kind, _, meaning in rows if not kind or len(meaning) < 5 or meaning == "None"] == []


def test_every_link_leads_to_a_heading() -> None:
    text = reference()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert len(set(headings)) == len(headings)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\(#([^)]+)\)", text)) <= anchors


def test_types_and_defaults_are_written_as_a_user_writes_them() -> None:
    rows = {key: (kind, default) for key, kind, default, _ in TABLE_ROW.findall(section("`rebound.NAME`"))}
    assert rows["alignment_sizes"] == ("non-empty list of integers > 0, ascending", "")
    assert rows["direction"] == ("`standard` or `reversed`", "`standard`")
    assert rows["realignment_sizes"] == ("list of integers ≥ 0, ascending", "`[]`")
    assert rows["task"] == ("name", "")
    hardware = {key: (kind, default) for key, kind, default, _ in TABLE_ROW.findall(section("`hardware`"))}
    assert hardware["zero_stage"] == ("`auto`, `0`, `1`, `2` or `3`", "`auto`")
    assert hardware["gpus"] == ("`auto` or integer > 0", "`auto`")


def test_a_section_that_is_used_in_several_places_is_described_once() -> None:
    assert "Also at `models.NAME.tuning`, `inverse`, `recipes.NAME`, " in section("`alignment`")
    assert "| `algorithm` | [dpo](#alignmentalgorithm-of-kind-dpo), " in section("`alignment`")
    assert "## `inverse`" not in reference()
