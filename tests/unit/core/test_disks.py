"""Full disks, on real devices and mounted file systems, and files of others."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from safetensors.torch import save_file

from elasticity.core.disks import full, has_room, reason, size_of
from elasticity.core.tables import write_table

MAKE_ROOM = "Make room"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte; a hundred kilobytes of it are left."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False).returncode:
        pytest.skip("this machine lets root mount nothing")
    (folder / "ballast").write_bytes(bytes(924 * 1024))
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def raised(places: dict[str, Path], path: Path, how: str) -> str | None:
    """Return the explanation of what is raised when a file that is too large is written in this way."""
    try:
        match how:
            case "text":
                path.write_text("x" * 3_000_000)
            case "table":
                rows = [{"text": os.urandom(1000).hex()} for _ in range(2000)]
                write_table(path, rows, pa.schema([("text", pa.string())]))
            case "weights":
                save_file({"w": torch.rand(800_000)}, path)
            case "torch":
                torch.save({"w": torch.rand(800_000)}, path)
    except Exception as error:
        return reason(error, places)
    raise AssertionError("there was room")


@pytest.mark.parametrize("how", ["text", "table", "weights", "torch"])
def test_a_disk_without_room_is_named_with_its_size_whichever_library_writes(small: Path, how: str) -> None:
    words = raised({MAKE_ROOM: small}, small / "file", how)
    assert words is not None
    assert words.startswith(f"the disk is full: {small} is on {small}, which has ")
    assert words.endswith(" of 1.05 MB left. Make room")


def test_a_device_without_room_names_the_sizes_of_all_places_if_none_is_full(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        Path("/dev/full").write_text("x")
    words = reason(caught.value, {MAKE_ROOM: tmp_path})
    assert words is not None
    assert words.startswith("no room for a file ([Errno 28] No space left on device): ")
    assert f"{tmp_path} is on " in words


def test_a_disk_is_named_once_and_others_are_not(small: Path, tmp_path: Path) -> None:
    assert full({"first": small, "second": small / "made/later", "third": tmp_path}).count("the disk is full") == 1
    assert has_room(tmp_path)
    assert not has_room(small / "made/later")
    assert size_of(small).startswith(f"{small}, which has 102 kB of 1.05 MB left")


def test_the_cause_of_an_error_counts_too(small: Path) -> None:
    error = RuntimeError("saving failed")
    error.__cause__ = OSError(28, "No space left on device")
    assert "the disk is full" in str(reason(error, {MAKE_ROOM: small}))


def test_a_file_of_another_user_is_named_with_its_owner(tmp_path: Path) -> None:
    (tmp_path / "theirs").touch()
    words = reason(PermissionError(13, "Permission denied", str(tmp_path / "theirs")), {})
    assert words is not None
    assert words.startswith(f"{tmp_path}/theirs cannot be used (Permission denied): {tmp_path}/theirs belongs to ")
    missing = PermissionError(1, "Operation not permitted", str(tmp_path / "no/file"))
    assert f"{tmp_path} belongs to " in str(reason(missing, {}))


def test_a_file_system_that_is_read_only_is_named_and_nobody_is_blamed(small: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    with pytest.raises(OSError, match="Read-only") as caught:
        (small / "no").mkdir()
    assert reason(caught.value, {MAKE_ROOM: small}) == (
        f"{small}/no cannot be written: the file system at {small} is read-only. Have it mounted for writing, or work "
        "in a folder elsewhere"
    )


def test_other_errors_are_not_explained(tmp_path: Path) -> None:
    for error in (FileNotFoundError(2, "No such file", "x"), ValueError("iostream error"), KeyError("x")):
        assert reason(error, {MAKE_ROOM: tmp_path}) is None
