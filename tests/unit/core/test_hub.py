"""Downloads through the client of the hub, with a cache in its layout and a local server in place of the hub."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from huggingface_hub import constants

from elasticity.core.errors import UserError
from elasticity.core.hub import commit_of, hub_file, matching, snapshot
from tests.unit.hub_cache import COMMIT, add_to_cache
from tests.unit.web_server import Answer, repository, serving

TOKEN = "hf_secretsecretsecret"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache. No token is set, and retries do not wait."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answer], list[str | None]]]:
    """Start a server in place of the hub; returns the list of the authorizations that it receives."""
    with ExitStack() as servers:

        def serve(answer: Answer) -> list[str | None]:
            server = servers.enter_context(serving(answer))
            point_to(monkeypatch, server.address)
            return server.authorizations

        yield serve


def point_to(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Let the client use a local server in place of the hub."""
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


def refusal(status: int, **headers: str) -> Answer:
    return lambda _: (status, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


def complaint(*patterns: str, revision: str = COMMIT) -> str:
    with pytest.raises(UserError) as error:
        snapshot("org/data", revision, patterns or ("*.jsonl",), "dataset")
    message = str(error.value)
    assert f"the dataset org/data at revision {revision}" in message
    assert TOKEN not in message
    return message


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("revision", [COMMIT, "main", "step1000"])
def test_a_copied_cache_is_enough(cache: Path, revision: str) -> None:
    files = {"train.jsonl": b"{}\n", "deep/test.jsonl": b"{}\n", "README.md": b""}
    add_to_cache(cache, "model", "org/name", files, refs=("main", "step1000"))
    folder = snapshot("org/name", revision, ("*.jsonl",), "model")
    found = [path.relative_to(folder).as_posix() for path in matching(folder, ("*.jsonl",))]
    assert found == ["deep/test.jsonl", "train.jsonl"]


@pytest.mark.usefixtures("offline")
def test_an_absent_file_is_an_error_offline() -> None:
    assert "HF_HUB_OFFLINE" in complaint()


def test_an_unreachable_hub_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    point_to(monkeypatch, "http://127.0.0.1:9")
    assert "cannot be reached" in complaint()


@pytest.mark.usefixtures("offline")
def test_patterns_that_match_no_file_are_an_error(cache: Path) -> None:
    add_to_cache(cache, "dataset", "org/data", {"train.csv": b"a\n"})
    assert "no file that matches *.jsonl, no.csv" in complaint("*.jsonl", "no.csv")


def test_only_the_files_that_match_are_downloaded(serve: Callable[[Answer], list[str | None]]) -> None:
    sent = serve(repository({"train.jsonl": b'{"a": 1}\n', "large.bin": b"0" * 999}))
    folder = snapshot("org/data", COMMIT, ("*.jsonl",), "dataset")
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["train.jsonl"]
    assert (folder / "train.jsonl").read_bytes() == b'{"a": 1}\n'
    asked = len(sent)
    assert snapshot("org/data", COMMIT, ("*.jsonl",), "dataset") == folder
    assert len(sent) == asked  # a pinned commit that is in the cache sends no request


def test_only_the_token_of_the_environment_is_sent(
    serve: Callable[[Answer], list[str | None]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sent = serve(repository({"train.jsonl": b"{}\n"}))
    (tmp_path / "token").write_text("hf_stored")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    snapshot("org/data", COMMIT, ("*.jsonl",), "dataset")
    assert set(sent) == {None}
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "another"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    sent.clear()
    snapshot("org/data", COMMIT, ("*.jsonl",), "dataset")
    assert set(sent) == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize("place", ["file/cache", "/proc/none/cache"])
def test_a_cache_that_cannot_be_written_is_an_error_that_names_the_variable(
    serve: Callable[[Answer], list[str | None]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    serve(repository({"train.jsonl": b"{}\n"}))
    (tmp_path / "file").touch()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / place))
    message = complaint()
    assert f"the cache {tmp_path / place} is not writable" in message
    assert "Set HF_HOME" in message


def test_a_user_without_a_home_folder_is_told_to_set_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "~/.cache/huggingface/hub")
    assert "no home folder. Set HF_HOME" in complaint()


REFUSALS = {
    "gated, no token": (
        refusal(401, X_Error_Code="GatedRepo"),
        None,
        ["401", "no HF_TOKEN is set", "accept its terms"],
    ),
    "gated, token": (refusal(403, X_Error_Code="GatedRepo"), TOKEN, ["403", "your HF_TOKEN was refused"]),
    "forbidden": (refusal(403), TOKEN, ["403", "your HF_TOKEN was refused"]),
    "wrong token": (refusal(401, X_Error_Message="Invalid credentials in Authorization header"), TOKEN, ["401"]),
    "no repository": (refusal(404, X_Error_Code="RepoNotFound"), None, ["404", "no such repository", "/datasets/org/"]),
    "no revision": (refusal(404, X_Error_Code="RevisionNotFound"), None, ["no such revision", "/datasets/org/data"]),
    "hub in trouble": (refusal(500), None, ["500", "later"]),
}


@pytest.mark.parametrize(("answer", "token", "words"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_an_error_with_advice(
    serve: Callable[[Answer], list[str | None]],
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    token: str | None,
    words: list[str],
) -> None:
    serve(answer)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    message = complaint()
    assert [word for word in words if word not in message] == []


def test_gated_files_of_a_repository_with_a_public_listing_are_an_error(
    serve: Callable[[Answer], list[str | None]],
) -> None:
    listing = repository({"train.jsonl": b""})
    gated = refusal(401, X_Error_Code="GatedRepo")
    serve(lambda path: listing(path) if path.startswith("/api") else gated(path))
    assert "accept its terms" in complaint()


def test_one_file_is_downloaded_once(serve: Callable[[Answer], list[str | None]]) -> None:
    sent = serve(repository({"config.json": b"{}"}))
    file = hub_file("org/data", COMMIT, "config.json", "dataset")
    asked = len(sent)
    assert file.read_bytes() == b"{}"
    assert hub_file("org/data", COMMIT, "config.json", "dataset") == file
    assert len(sent) == asked > 0


def test_a_file_that_a_repository_does_not_have_is_named(serve: Callable[[Answer], list[str | None]]) -> None:
    serve(refusal(404, X_Error_Code="EntryNotFound"))
    with pytest.raises(UserError, match=r"the model org/name at revision 0123.* has no config.json"):
        hub_file("org/name", COMMIT, "config.json", "model")


def test_a_branch_is_resolved_at_the_hub_or_else_in_the_cache(
    serve: Callable[[Answer], list[str | None]], monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    body = json.dumps({"id": "org/name", "sha": "f" * 40}).encode()
    serve(lambda path: (200 if path == "/api/models/org/name/revision/main" else 404, {}, body))
    assert commit_of("org/name", "main", "model") == "f" * 40
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE"):
        commit_of("org/name", "main", "model")
    add_to_cache(cache, "model", "org/name", {"config.json": b"{}"}, refs=("main",))
    assert commit_of("org/name", "main", "model") == COMMIT
    assert commit_of("org/name", COMMIT, "model") == COMMIT
