"""Files in archives at an address."""

import errno
import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from elasticity.config.data import ArchiveFile
from elasticity.core.digests import file_digest
from elasticity.core.errors import UserError
from elasticity.data import archives
from elasticity.data.archives import archived, cache
from elasticity.data.sources import examples
from tests.unit.web_server import serving

TEXT = b"One.\n\nTwo.\n"
MEMBER = "data-1.0/texts/book.txt"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder, in which the cache is."""
    monkeypatch.setenv("ELASTICITY_CACHE", str(tmp_path / "cache"))
    return tmp_path


def tar(path: Path, member: str = MEMBER, content: bytes = TEXT) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo(member)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    return path


def zipped(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MEMBER, TEXT)
    return path


@pytest.fixture
def address(place: Path) -> Iterator[str]:
    """The address of a server of the folder; it answers 404 for files that do not exist."""

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        file = place / path.removeprefix("/")
        return (200, {}, file.read_bytes()) if file.is_file() else (404, {}, b"")

    with serving(answer) as server:
        yield server.address


def test_a_file_is_unpacked_once_and_then_found_without_the_archive(place: Path, address: str) -> None:
    archive = tar(place / "data.tar.gz")
    sha256 = file_digest(archive)
    file, digest = archived(f"{address}/data.tar.gz", sha256, MEMBER)
    assert (file.name, file.read_bytes(), digest) == ("book.txt", TEXT, hashlib.sha256(TEXT).hexdigest())
    archive.unlink()
    assert archived(f"{address}/data.tar.gz", sha256, MEMBER) == (file, digest)
    assert sorted(path.name for path in cache().rglob("*") if path.is_file()) == ["book.txt", "book.txt.sha256"]


def test_a_damaged_file_of_the_cache_is_replaced(place: Path) -> None:
    url, sha256 = (place / "data.zip").as_uri(), file_digest(zipped(place / "data.zip"))
    file, digest = archived(url, sha256, MEMBER)
    file.write_bytes(TEXT[:-1])
    assert archived(url, sha256, MEMBER) == (file, digest)
    assert file.read_bytes() == TEXT


@pytest.mark.parametrize("member", ["../../../outside.txt", "/tmp/outside.txt", "a/../../book.txt"])
def test_names_in_an_archive_are_not_used_as_paths(place: Path, member: str) -> None:
    archive = tar(place / "data.tar.gz", member)
    file, _ = archived(archive.as_uri(), file_digest(archive), member)
    assert file.parent.parent == cache()
    assert file.read_bytes() == TEXT


def test_another_checksum_is_an_error_with_both_and_leaves_nothing(place: Path) -> None:
    archive = tar(place / "data.tar.gz")
    with pytest.raises(UserError) as error:
        archived(archive.as_uri(), "0" * 64, MEMBER)
    assert [word for word in (archive.as_uri(), "0" * 64, file_digest(archive)) if word not in str(error.value)] == []
    assert [path for path in cache().rglob("*") if path.is_file()] == []


def test_a_tar_may_hold_a_zip(place: Path) -> None:
    with tarfile.open(place / "data.tar", "w") as archive:
        archive.add(zipped(place / "data.zip"), "data.zip")
    found, _ = archived((place / "data.tar").as_uri(), file_digest(place / "data.tar"), "data.zip")
    assert found.read_bytes() == (place / "data.zip").read_bytes()


@pytest.mark.parametrize("outer", ["whole.tar.gz", "whole.zip"])
@pytest.mark.parametrize("inner", ["parts/data.tar.gz", "data.zip"])
def test_an_archive_in_an_archive_is_like_a_folder(place: Path, outer: str, inner: str) -> None:
    packed = (zipped if inner.endswith("zip") else tar)(place / "inner").read_bytes()
    if outer.endswith("zip"):
        with zipfile.ZipFile(place / outer, "w") as archive:
            archive.writestr("first.txt", "")
            archive.writestr(inner, packed)
    else:
        tar(place / outer, inner, packed)
    url, sha256 = (place / outer).as_uri(), file_digest(place / outer)
    file, digest = archived(url, sha256, f"{inner}/{MEMBER}")
    assert (file.name, file.read_bytes(), digest) == ("book.txt", TEXT, hashlib.sha256(TEXT).hexdigest())
    assert sorted(path.name for path in cache().rglob("*") if path.is_file()) == ["book.txt", "book.txt.sha256"]
    assert archived(url, sha256, inner)[0].read_bytes() == packed
    with pytest.raises(UserError, match=f"{outer}/{inner} holds no file book.txt; it holds: {MEMBER}"):
        archived(url, sha256, f"{inner}/book.txt")
    with pytest.raises(UserError, match=f"x in .*{outer}/{inner}/{MEMBER} cannot be unpacked"):
        archived(url, sha256, f"{inner}/{MEMBER}/x")


@pytest.mark.parametrize("name", ["data.tar.gz", "data.zip"])
@pytest.mark.parametrize("member", ["book.txt", "link", "data-1.0"])
def test_a_file_that_is_not_in_an_archive_is_an_error_that_lists_its_files(place: Path, name: str, member: str) -> None:
    archive = (zipped if name.endswith("zip") else tar)(place / name)
    with pytest.raises(UserError, match=f"{name} holds no file {member}; it holds: {MEMBER}"):
        archived(archive.as_uri(), file_digest(archive), member)


@pytest.mark.parametrize("broken", ["no archive", "cut short"])
def test_an_archive_that_cannot_be_unpacked_is_an_error(place: Path, broken: str) -> None:
    archive = tar(place / "data.tar.gz", content=bytes(range(256)) * 99)
    archive.write_bytes(archive.read_bytes()[:200] if broken == "cut short" else b"<html>")
    with pytest.raises(UserError, match=r"data\.tar\.gz cannot be unpacked: .*Only tar and zip"):
        archived(archive.as_uri(), file_digest(archive), MEMBER)


def test_a_failed_download_is_an_error_that_says_what_to_do(place: Path, address: str) -> None:
    with pytest.raises(UserError, match=r"no\.zip cannot be downloaded: the server answered 404 .*Correct the address"):
        archived(f"{address}/no.zip", "0" * 64, MEMBER)
    with pytest.raises(UserError, match=r"no\.zip cannot be downloaded: there is no such file"):
        archived((place / "no.zip").as_uri(), "0" * 64, MEMBER)
    with pytest.raises(UserError, match=r"127\.0\.0\.1:1/a\.zip cannot be downloaded: .*set ELASTICITY_CACHE"):
        archived("http://127.0.0.1:1/a.zip", "0" * 64, MEMBER)


def test_nothing_is_downloaded_offline(place: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    tar(place / "data.tar.gz")
    with pytest.raises(UserError, match=r"is not in the cache .*HF_HUB_OFFLINE is set"):
        archived(f"{address}/data.tar.gz", "0" * 64, MEMBER)


def unwritable(error: UserError) -> str:
    """The reason in a message, which must be one line and name the variable."""
    words = (
        r"the cache folder \S+ cannot be read and written \((.*)\): set the environment variable ELASTICITY_CACHE .*"
    )
    found = re.fullmatch(words, str(error))
    assert found, error
    return found[1]


def test_a_cache_that_is_a_file_is_an_error(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "file").touch()
    monkeypatch.setenv("ELASTICITY_CACHE", str(place / "file"))
    with pytest.raises(UserError) as error:
        archived((place / "data.zip").as_uri(), "0" * 64, MEMBER)
    assert unwritable(error.value) == "Not a directory"


@pytest.mark.parametrize("step", ["is_file", "mkdir", "replace"])
def test_a_cache_without_permission_is_an_error(place: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """The tests may run as root, for whom permissions do not matter, so the call is made to fail."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    url, sha256 = tar(place / "data.tar.gz").as_uri(), file_digest(place / "data.tar.gz")
    monkeypatch.setattr(Path, step, refuse)
    with pytest.raises(UserError) as error:
        archived(url, sha256, MEMBER)
    assert unwritable(error.value) == "Permission denied"


@pytest.mark.parametrize("step", ["_stream", "_opened"])
def test_a_full_cache_is_not_reported_as_a_broken_download_or_archive(
    place: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    url, sha256 = tar(place / "data.tar.gz").as_uri(), file_digest(place / "data.tar.gz")
    monkeypatch.setattr(archives, step, full)
    with pytest.raises(UserError) as error:
        archived(url, sha256, MEMBER)
    assert unwritable(error.value) == "No space left on device"


def test_the_cache_is_among_the_users_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELASTICITY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache() == Path("/caches/elasticity")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache() == Path.home() / ".cache/elasticity"


def test_an_archive_is_a_source_of_examples(place: Path) -> None:
    archive = tar(place / "data.tar.gz")
    options = {"url": archive.as_uri(), "sha256": file_digest(archive), "path": MEMBER}
    source = ArchiveFile(kind="archive", format="passages", characters=6, **options)
    assert [raw.response for raw in examples(source)] == ["One.\n\n", "Two.\n"]
    assert {raw.source for raw in examples(source)} == {hashlib.sha256(TEXT).hexdigest()}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "http://example.org/a.zip"}, "must begin with https:// or file://"),
        ({"url": "https://example.org/ä.zip"}, "must be ASCII"),
        ({"path": "texts/"}, "must be the path of a file"),
        ({"path": "texts/.."}, "must be the path of a file"),
    ],
)
def test_invalid_settings_of_an_archive_are_refused(options: dict[str, str], words: str) -> None:
    given = {"url": "https://example.org/a.zip", "sha256": "0" * 64, "path": MEMBER} | options
    with pytest.raises(ValueError, match=words):
        ArchiveFile(kind="archive", **given)
