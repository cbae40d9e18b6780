"""Registries find the entries in the modules of a package, each by its name."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from elasticity.core.errors import UserError
from elasticity.core.registry import Registry

PACKAGE = "colours_of_a_test"

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module of a temporary package whose registry is ``COLOURS``."""
    folder = tmp_path / PACKAGE
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from elasticity.core.registry import Registry\n"
        f"COLOURS: Registry[int] = Registry('colour', {PACKAGE!r})\n"
        "LOADED = []\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def write(module: str, body: str) -> None:
        head = f"from {PACKAGE} import COLOURS, LOADED\nLOADED.append(__name__)\n"
        (folder / f"{module}.py").write_text(f"{head}{body}\n")

    yield write
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


def entry(name: str, value: int) -> str:
    return f"COLOURS.register({name!r}, __name__)({value})"


def colours() -> Registry[int]:
    registry: Registry[int] = __import__(PACKAGE).COLOURS
    return registry


def loaded() -> list[str]:
    names: list[str] = __import__(PACKAGE).LOADED
    return names


def test_entries_of_all_modules_are_found_by_name(write: Write) -> None:
    write("warm", f"{entry('red', 1)}\n{entry('orange', 2)}")
    write("cold", entry("blue", 3))
    assert colours().names() == ("blue", "orange", "red")
    assert [colours()[name] for name in ("red", "orange", "blue")] == [1, 2, 3]


def test_an_entry_knows_the_module_that_defines_it(write: Write) -> None:
    write("warm", entry("red", 1))
    write("cold", entry("blue", 3))
    assert colours().module("red") == f"{PACKAGE}.warm"
    assert colours().module("blue") == f"{PACKAGE}.cold"


def test_modules_are_imported_once_and_not_before_a_name_is_looked_up(write: Write) -> None:
    write("warm", entry("red", 1))
    assert loaded() == []
    assert colours()["red"] == 1
    assert colours().names() == ("red",)
    assert loaded() == [f"{PACKAGE}.warm"]


def test_register_returns_the_entry_that_it_decorates(write: Write) -> None:
    write("warm", "@COLOURS.register('mixed', __name__)\ndef mixed(): return 5\nassert mixed() == 5")
    assert colours().names() == ("mixed",)


def test_an_unknown_name_is_an_error_with_the_available_ones(write: Write) -> None:
    write("warm", f"{entry('red', 1)}\n{entry('orange', 2)}")
    with pytest.raises(UserError, match=r"there is no colour 'green'; available: orange, red"):
        colours()["green"]


def test_two_modules_must_not_register_the_same_name(write: Write) -> None:
    write("cold", entry("red", 3))
    write("warm", entry("red", 1))
    with pytest.raises(ValueError, match=rf"colour 'red' is registered by {PACKAGE}\.cold and by {PACKAGE}\.warm"):
        colours().names()


def test_a_module_may_replace_its_own_entry(write: Write) -> None:
    write("warm", f"{entry('red', 1)}\n{entry('red', 7)}")
    assert colours()["red"] == 7
