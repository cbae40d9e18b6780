"""Names of the folders of runs."""

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from elasticity.core.run_names import LONGEST, PATTERN, run_name, runs_in, sizes_in, write_sizes

SIZES = st.sets(st.integers(0, 10_000), min_size=1, max_size=120).map(lambda sizes: tuple(sorted(sizes)))

MANY = tuple(range(0, 9000, 100))


@given(SIZES)
def test_a_name_gives_the_sizes_of_its_run(sizes: tuple[int, ...]) -> None:
    name = run_name(sizes)
    assert sizes_in(name) == sizes
    assert len(name) <= LONGEST
    assert re.fullmatch(PATTERN, name)


@given(SIZES, SIZES)
def test_other_sizes_have_another_name(sizes: tuple[int, ...], others: tuple[int, ...]) -> None:
    assert (run_name(sizes) == run_name(others)) == (sizes == others)


def test_few_sizes_can_be_read_in_the_name() -> None:
    assert run_name((0, 100, 2000)) == "0-100-2000"
    assert run_name(MANY).startswith("0-to-8900-")


def test_runs_are_found_by_their_folders(tmp_path: Path) -> None:
    assert runs_in(tmp_path / "none") == []
    for sizes in ((0, 4), MANY):
        (tmp_path / run_name(sizes)).mkdir()
        write_sizes(tmp_path / run_name(sizes), sizes)
    (tmp_path / "N8").mkdir()
    (tmp_path / "8").write_text("no folder")
    assert sorted(runs_in(tmp_path)) == [(0, 4), MANY]
    assert not list((tmp_path / "0-4").iterdir())


def test_a_run_whose_sizes_are_not_written_yet_has_not_begun(tmp_path: Path) -> None:
    (tmp_path / run_name(MANY)).mkdir()
    assert runs_in(tmp_path) == []
