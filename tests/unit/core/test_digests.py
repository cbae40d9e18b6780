"""Digests of values, files and folders: what changes them, and what does not."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.core.digests import canonical_json, digest, file_digest, folder_digest


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, "1"), (1, True), (1, 1.0), (None, "null"), ([1, 2], [2, 1]), ([[1], 2], [[1, 2]]), ("é", "e")],
)
def test_different_values_have_different_digests(one: object, other: object) -> None:
    assert digest(one) != digest(other)


@given(st.dictionaries(st.text(max_size=3), st.integers()))
def test_the_order_of_keys_does_not_matter(value: dict[str, int]) -> None:
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


def test_a_digest_is_the_sha_256_of_the_json() -> None:
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_a_folder_digest_depends_on_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "weights").write_bytes(b"1")
    before = folder_digest(tmp_path / "a")
    (tmp_path / "a" / ".hidden").write_bytes(b"2")
    assert folder_digest(tmp_path / "a") == before
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    assert folder_digest(tmp_path / "copy") == before
    (tmp_path / "a" / "b" / "weights").write_bytes(b"2")
    changed = folder_digest(tmp_path / "a")
    (tmp_path / "a" / "b" / "weights").rename(tmp_path / "a" / "b" / "weight")
    assert len({before, changed, folder_digest(tmp_path / "a")}) == 3


def test_a_file_digest_is_the_sha_256_of_the_contents(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert file_digest(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
