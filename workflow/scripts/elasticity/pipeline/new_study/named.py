"""What the name of a model or of data stands for: a folder, a file, a file in a package, or a repository of the hub."""

import glob
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import get_args

from elasticity.config.data import DataFile, HubData, PackageFile, Repository
from elasticity.config.models import GgufModel, HubModel, ImportedModel, ModelFolder
from elasticity.core.digests import file_digest
from elasticity.core.errors import UserError
from elasticity.core.hub import commit_of, package_file
from elasticity.data.sources import paths, splits

Data = DataFile | PackageFile | HubData
"""A source of data that a name can stand for."""


PACKAGE = re.compile(r"([A-Za-z_][\w.]*):(.+)")
"""A file in an installed Python package: its import name, and the path in the package's folder."""


REPOSITORY = re.compile(
    get_args(Repository)[1].pattern.removesuffix("$") + r"(@(?P<revision>[^:]+))?(:(?P<subset>.+))?$"
)
"""A repository of the hub, with a revision, and of data with a subset: ``owner/name@revision:subset``."""


FILE = re.compile(r"\.(gguf|parquet|arrow|jsonl?|csv|tsv|txt)(\.\w+)?$")
"""Ends of the names of files, which no repository is meant by."""


def named_model(name: str, here: Path) -> ImportedModel:
    """The model that a name stands for, pinned: a GGUF file by its checksum, a repository by the commit of its branch.

    ``here`` is the folder that relative paths start from; paths in the result start from the current folder.

    Raises ``UserError`` if there is no such model.
    """
    if inside := _in_package(name, here):
        return GgufModel(kind="gguf", package=inside[0], path=inside[1], sha256=file_digest(package_file(*inside)))
    path = here / Path(name).expanduser()
    if path.is_dir():
        return ModelFolder(kind="folder", path=_from_here(path))
    if path.is_file() and path.suffix == ".gguf":
        return GgufModel(kind="gguf", path=_from_here(path), sha256=file_digest(path))
    if path.exists():
        raise UserError(f"--model {name}: a file that is no .gguf; give a model's folder, or a GGUF file")
    repo, revision, _ = _repository("--model", name, path)
    return HubModel(kind="hub", repo=repo, revision=commit_of(repo, revision, "model"))


LISTED = 4
"""Files that are named."""


SPLITS = ("train(ing)?", "train.*", ".*train", "default|all|full|whole", "(?!val|dev|test|eval).*", "val.*|dev.*")
"""Names of splits to measure on, in order of preference; of names that fit equally well the first is taken."""


def named_data(name: str, here: Path, split: str | None = None) -> tuple[Data, tuple[str, ...]]:
    """The source that a name stands for, pinned as models are, and how its split was chosen if it has several.

    ``here`` is as in ``named_model``; ``split`` is that which the user names. Raises ``UserError`` if there are no such
    data, or if they have no such split.
    """
    source = _named_source(name, here)
    there = splits(source) if not isinstance(source, PackageFile) else []
    if split is not None and split not in there:
        raise UserError(f"--data {name} has no split {split}; its splits: {', '.join(there) or 'none'}")
    if not there or (len(there) == 1 and isinstance(source, DataFile) and split is None):
        return source, ()
    taken = split or preferred(there)
    chosen = source.model_copy(update={"split": taken})
    if len(there) == 1:
        return chosen, ()
    names = [path.name for path in paths(chosen)] if isinstance(source, DataFile) else []
    files = f" ({', '.join(names[:LISTED])}{', ...' * (len(names) > LISTED)})" if names else ""
    why = "as given" if split else "--split NAME takes another one"
    return chosen, (f"split {taken}{files} of {', '.join(there)}: {why}",)


def preferred(splits: Sequence[str]) -> str:
    """The split to measure on: the one for training if there is one, and one for tests only if there is no other."""
    return next((split for name in SPLITS for split in splits if re.fullmatch(name, split, re.IGNORECASE)), splits[0])


def _named_source(name: str, here: Path) -> Data:
    """The source that a name stands for, with any split."""
    place, _, part = name.rpartition(":")
    if place and (folder := here / Path(place).expanduser()).is_dir():
        return DataFile(kind="file", path=_from_here(folder), subset=part)
    if inside := _in_package(name, here):
        sha256 = file_digest(package_file(*inside))
        return PackageFile(kind="package", package=inside[0], path=inside[1], sha256=sha256)
    path = here / Path(name).expanduser()
    if path.exists() or glob.glob(str(path)):
        return DataFile(kind="file", path=_from_here(path), sha256=file_digest(path) if path.is_file() else None)
    repo, revision, subset = _repository("--data", name, path)
    return HubData(kind="hub", repo=repo, revision=commit_of(repo, revision, "dataset"), subset=subset, split="train")


def short_name(model: ImportedModel) -> str:
    """A name for a model in a study, from the last part of its repository or path."""
    last = PurePosixPath(model.repo if isinstance(model, HubModel) else model.path).name.removesuffix(".gguf")
    return re.sub(r"[^a-z0-9.-]+", "-", last.lower()).strip("-.") or "model"


def _in_package(name: str, here: Path) -> tuple[str, str] | None:
    found = PACKAGE.fullmatch(name)
    return (found[1], found[2]) if found and not (here / name).exists() else None


def _repository(option: str, name: str, path: Path) -> tuple[str, str, str | None]:
    """The repository, the revision and the subset that a name gives."""
    found = REPOSITORY.fullmatch(name)
    if found is None or FILE.search(name):
        raise UserError(
            f"{option} {name}: {path} does not exist, and this is no name of a repository either. Give a path, "
            "package:path for a file in an installed Python package, or owner/name of the Hugging Face hub"
        )
    return re.split("[@:]", name)[0], found["revision"] or "main", found["subset"]


def _from_here(path: Path) -> str:
    """The path as a study gives it: relative to the current folder if it lies in it."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
