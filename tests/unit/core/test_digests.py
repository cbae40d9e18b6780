import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.core import digests
from elasticity.core.digests import canonical_json, code_digest, digest, file_digest, folder_digest

SCRIPT = '''"""What the script does."""

# How
from elasticity.runs import name

WIDTH = 3
"""In tokens."""


class Part:
    """What a part is."""

    def width(self):
        """How wide it is."""
        return WIDTH
'''


# Values and files


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


def test_a_folder_digest_tells_names_and_contents(tmp_path: Path) -> None:
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


def test_a_file_digest_is_that_of_the_contents(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert file_digest(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


# Code


class Scripts:
    """A copy of the scripts that can be edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "job.py").write_text(SCRIPT)

    def digest(self, script: str) -> str:
        code_digest.cache_clear()
        return code_digest(script)

    def append(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(path.read_text() + text)

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        (self.folder / name).write_text(text.replace(old, new))


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    shutil.copytree(digests.SCRIPTS, tmp_path / "scripts")
    monkeypatch.setattr(digests, "SCRIPTS", tmp_path / "scripts")
    yield Scripts(tmp_path / "scripts")
    code_digest.cache_clear()


@pytest.mark.parametrize("module", ["finetune.py", "elasticity/training.py", "elasticity/settings.py"])
def test_code_that_a_script_uses_changes_its_digest(scripts: Scripts, module: str) -> None:
    before = scripts.digest("finetune.py")
    scripts.append(module, "\nADDED = 1\n")
    assert scripts.digest("finetune.py") != before


@pytest.mark.parametrize(
    "module", ["pretrain.py", "elasticity/study.py", "elasticity/figures.py", "elasticity/judging_jobs.py"]
)
def test_code_that_a_script_does_not_use_leaves_its_digest_alone(scripts: Scripts, module: str) -> None:
    before = scripts.digest("finetune.py")
    scripts.append(module, "\nADDED = 1\n")
    assert scripts.digest("finetune.py") == before


@pytest.mark.parametrize("module", digests.REPORTING)
def test_code_that_only_tells_of_a_run_leaves_its_digest_alone(scripts: Scripts, module: str) -> None:
    before = scripts.digest("finetune.py")
    scripts.append(f"elasticity/{module}.py", "\nADDED = 1\n")
    assert scripts.digest("finetune.py") == before


@pytest.mark.parametrize(
    "form", ["from elasticity.used import X", "from elasticity import used", "import elasticity.used"]
)
def test_every_form_of_import_is_followed(scripts: Scripts, form: str) -> None:
    (scripts.folder / "elasticity/used.py").write_text("X = 1\n")
    scripts.append("job.py", f"\n{form}\n")
    before = scripts.digest("job.py")
    scripts.append("elasticity/used.py", "Y = 2\n")
    assert scripts.digest("job.py") != before


@pytest.mark.parametrize(
    "words", ["What the script does.", "# How", "In tokens.", "What a part is.", "How wide it is."]
)
def test_comments_and_docstrings_leave_the_digest_alone(scripts: Scripts, words: str) -> None:
    before = scripts.digest("job.py")
    scripts.replace("job.py", words, "# Other words")
    assert scripts.digest("job.py") == before


def test_a_changed_value_changes_the_digest(scripts: Scripts) -> None:
    before = scripts.digest("job.py")
    scripts.replace("job.py", "WIDTH = 3", "WIDTH = 4")
    assert scripts.digest("job.py") != before
