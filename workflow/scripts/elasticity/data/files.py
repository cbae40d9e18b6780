"""Local data files: a path that is a file, a folder of files, a folder that ``datasets`` saved, or a pattern."""

import glob
import json
from pathlib import Path

from elasticity.core.errors import UserError
from elasticity.data.library import SAVED, SEVERAL_SAVED
from elasticity.data.readers import KINDS, kind_of

LISTED = 10
"""Names that an error message lists."""


ABOUT = ("dataset_info.json", "dataset_infos.json", SAVED, SEVERAL_SAVED)
"""Files that the library ``datasets`` writes beside data."""


def all_files(path: str) -> list[Path]:
    """All files that a path or pattern may mean, sorted; none if there is no such file."""
    return sorted(file for found in _matching(path) for file in (_below(found) if found.is_dir() else [found]))


def data_files(path: str, split: str | None = None) -> list[Path]:
    """The files that hold the rows of a path or pattern, in order; a folder that ``datasets`` saved counts as one.

    Files whose names do not end as those of data, and hidden ones, are no part of a folder; text files are, if it holds
    no others. ``split``: that of a folder with several saved folders.

    Raises ``UserError`` if there is none, with what there is.
    """
    found = _matching(path)
    if not found:
        raise UserError(f"data file {path} does not exist (paths are relative to {Path.cwd()})")
    return [file for each in found for file in (_in_folder(each, split) if each.is_dir() else [each])]


def is_saved(folder: Path) -> bool:
    """Whether a folder is one that ``datasets`` saved, or holds several of them, one for each split."""
    return (folder / SAVED).is_file() or (folder / SEVERAL_SAVED).is_file()


def _in_folder(folder: Path, split: str | None) -> list[Path]:
    if (folder / SAVED).is_file():
        return [folder]
    if (folder / SEVERAL_SAVED).is_file():
        return [folder / _split(folder, split)]
    data = [file for file in _below(folder) if kind_of(file) in KINDS and file.name not in ABOUT]
    if rows := [file for file in data if kind_of(file) != ".txt"] or data:
        return rows
    names = ", ".join(file.name for file in _below(folder)[:LISTED]) or "nothing"
    raise UserError(f"the folder {folder} holds no data files ({', '.join(KINDS)}), but {names}")


def saved_splits(folder: Path) -> list[str]:
    """The splits of a folder with several folders that ``datasets`` saved, in their order; none if it holds one."""
    if not (folder / SEVERAL_SAVED).is_file():
        return []
    try:
        splits: list[str] = json.loads((folder / SEVERAL_SAVED).read_text())["splits"]
    except (ValueError, KeyError) as error:
        raise UserError(f"{folder / SEVERAL_SAVED} does not list the splits of a data set: {error}") from None
    return splits


def _split(folder: Path, split: str | None) -> str:
    """The split of several saved folders: the named one, or the only one."""
    splits = saved_splits(folder)
    chosen = splits[0] if split is None and len(splits) == 1 else split
    if chosen not in splits:
        asked = f"no split {split}" if split else "several splits"
        raise UserError(f"the folder {folder} has {asked}: name one of {', '.join(splits)} in the study (source.split)")
    return chosen


def _matching(path: str) -> list[Path]:
    """The files and folders that a path or pattern names, sorted."""
    if path and Path(path).exists():  # no path would be the current folder
        return [Path(path)]
    return sorted(map(Path, glob.glob(path, recursive=True)))


def _below(folder: Path) -> list[Path]:
    """All files in a folder and its folders that are not hidden, sorted."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(file for file in found if not any(part.startswith(".") for part in file.relative_to(folder).parts))
