"""What a failed read or write of a file means: a full disk, its place and its size, or a file of somebody else."""

import errno
import os
import pwd
from collections.abc import Iterator, Mapping
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Codes of the errors of a file system without room, and of a user without."""

FORBIDDEN = (errno.EACCES, errno.EPERM)
"""Codes of the errors of files that the user may not read or write."""

FULL_WORDS = ("No space left on device", "Disk quota exceeded")
"""What the messages of libraries say that do not pass the code on, such as safetensors."""

CUT_OFF = ("unexpected pos", "iostream error")
"""What torch says of a file that it could not write to its end, for whatever reason."""

LEAST_ROOM = 1 << 20
"""Bytes below which a file system counts as full: what was written last may have been removed again."""


def reason(error: BaseException, places: Mapping[str, Path]) -> str | None:
    """Explain an error of a full disk or of a forbidden file, with what to do; None for any other error.

    ``places`` are the folders that a process writes to, by what to do if they are full: the error itself seldom says
    where it happened.
    """
    for cause in _chain(error):
        if _is_full(cause):
            sizes = "; ".join(f"{folder} is on {size_of(folder)}" for folder in places.values())
            return full(places) or f"no room for a file ({cause}): {sizes}. Make room, or ask for a larger quota"
        if any(words in str(cause) for words in CUT_OFF):
            return full(places) or None
        if isinstance(cause, OSError) and cause.errno == errno.EROFS and cause.filename:
            file = Path(os.fsdecode(cause.filename))
            return (
                f"{file} cannot be written: the file system at {_mounted_at(file)} is read-only. Have it mounted for "
                "writing, or work in a folder elsewhere"
            )
        if isinstance(cause, OSError) and cause.errno in FORBIDDEN and cause.filename:
            return forbidden(Path(os.fsdecode(cause.filename)), str(cause.strerror))
    return None


def full(places: Mapping[str, Path], least: int = LEAST_ROOM) -> str:
    """Say which of the places have no room; the text is empty if all have some. A disk is named once.

    ``places`` are folders by what to do if they are full; ``least`` is the number of bytes that counts as room.
    """
    found: dict[int, str] = {}
    for remedy, folder in places.items():
        if not has_room(folder, least):
            words = f"the disk is full: {folder} is on {size_of(folder)}. {remedy}"
            found.setdefault(_existing(folder).stat().st_dev, words)
    return "; ".join(found.values())


def has_room(folder: Path, least: int = LEAST_ROOM) -> bool:
    """Return whether the file system of a folder, which need not exist, has bytes and names for further files."""
    found = os.statvfs(_existing(folder))
    return found.f_bavail * found.f_frsize >= least and (found.f_favail > 0 or found.f_files == 0)


def size_of(folder: Path) -> str:
    """Return the place where the file system of a folder is mounted, its free room and its size, in words."""
    place = _mounted_at(folder)
    found = os.statvfs(place)
    free, size = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    names = "" if found.f_favail or not found.f_files else f" and none of {found.f_files:,} names for files"
    return f"{place}, which has {_amount(free)} of {_amount(size)} left{names}"


def forbidden(file: Path, why: str) -> str:
    """Say that a file cannot be read or written, whose it is, and what to do."""
    known = _existing(file)
    return (
        f"{file} cannot be used ({why}): {known} belongs to {_owner(known)}, and this process runs as "
        f"{_name(os.getuid())}. Have its owner give you the right, or work in a folder of your own"
    )


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in FULL
    return any(words in str(error) for words in FULL_WORDS)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _mounted_at(path: Path) -> Path:
    """Return the folder at which the file system of a path, which need not exist, is mounted."""
    place = _existing(path).resolve()
    while not place.is_mount():
        place = place.parent
    return place


def _existing(path: Path) -> Path:
    """Return the path, or the nearest folder above it that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def _owner(path: Path) -> str:
    return _name(path.stat().st_uid)


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # as in containers
        return f"user {user}"


def _amount(size: int) -> str:
    """Return a number of bytes in the largest unit of which there is at least one."""
    amount, units = float(size), ["bytes", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        del units[0]
    return f"{amount:.3g} {units[0]}"
