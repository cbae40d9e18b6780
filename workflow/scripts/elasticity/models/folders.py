"""What holds for a model folder before any of its files is read: it is there, and its files are in it."""

import json
from pathlib import Path

from elasticity.core.errors import UserError

INDEX = "model.safetensors.index.json"
"""The file that says which file holds which tensor, in a folder with several files of weights."""


def check_folder(folder: Path) -> None:
    """Raise ``UserError`` if a model folder is gone, or if its index names files outside of it."""
    if not folder.is_dir() and folder.parent.name != "checkpoints":
        raise UserError(f"the model folder {folder} does not exist: put the model there, or correct its path")
    if not folder.is_dir():  # of a run of this workflow
        raise UserError(
            f"the checkpoint {folder} is gone. To make it again, delete the folder {folder.parent} and run the same "
            "command again: the job that wrote it runs anew"
        )
    if not (folder / INDEX).is_file():
        return
    try:
        files: dict[str, str] = json.loads((folder / INDEX).read_text())["weight_map"]
        outside = next((name for name in files.values() if Path(name).name != name or name in ("", "..")), None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(f"{folder / INDEX} cannot be read as an index of tensors: fetch the model again") from None
    if outside is not None:
        raise UserError(
            f"{folder / INDEX} names the file {outside!r}: an index may only name files beside it, without a folder. "
            "Fetch the model again, from a source that you trust"
        )
