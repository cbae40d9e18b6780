"""Division of items among processes, with real processes under torchrun and by arithmetic."""

import json
import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.runtime.sharding import collect, share
from tests.conftest import ROOT

DIVIDES = """
import json, os, sys
from elasticity.runtime.sharding import collect, share
found = []
for length in json.loads(sys.argv[2]):
    mine = share(range(length))
    found.append({"mine": mine, "all": collect([{"item": item} for item in mine])})
with open(f"{sys.argv[1]}/{os.environ['RANK']}.json", "w") as file:
    json.dump(found, file)
os._exit(0)  # as ``Command`` ends it
"""
LENGTHS = [7, 0, 1, 2, 3, 6, 100]


@pytest.mark.parametrize("count", [2, 3])
def test_processes_take_all_items_and_the_first_has_the_results_in_order(count: int, tmp_path: Path) -> None:
    """Repeatedly in one job, as for every checkpoint, also with fewer items than processes."""
    script = tmp_path / "divides.py"
    script.write_text(DIVIDES)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    done = subprocess.run(
        [*torchrun, str(script), str(tmp_path), json.dumps(LENGTHS)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    processes = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(count)]
    for length, found in zip(LENGTHS, zip(*processes, strict=True), strict=True):
        taken = [process["mine"] for process in found]
        assert sorted(chain(*taken)) == list(range(length))
        assert max(map(len, taken)) - min(map(len, taken)) <= 1
        assert found[0]["all"] == [{"item": item} for item in range(length)]
        assert all(process["all"] == [] for process in found[1:])


@given(st.lists(st.text()), st.integers(1, 20))
def test_every_item_is_in_one_share_and_shares_differ_by_one_at_most(items: list[str], count: int) -> None:
    shares = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_SIZE", str(count))
        for rank in range(count):
            patch.setenv("RANK", str(rank))
            shares.append(share(items))
    assert sorted(chain(*shares)) == sorted(items)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert [len(part) for part in shares] == sorted(map(len, shares), reverse=True)  # what ``collect`` relies on


@given(st.lists(st.integers()))
def test_one_process_keeps_all(items: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RANK", raising=False)
        patch.delenv("WORLD_SIZE", raising=False)
        assert share(items) == collect(items) == items
