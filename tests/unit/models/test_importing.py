"""Models from a folder, a GGUF file and the hub's cache."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from tokenizers import AddedToken
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.models import GgufModel, HubModel, ModelFolder, ModelShape
from elasticity.config.sampling import Sampling
from elasticity.core.errors import UserError
from elasticity.core.hub import package_file
from elasticity.data.chat_templates import context
from elasticity.data.examples import training_examples
from elasticity.evaluation.generation import TransformersEngine, generate
from elasticity.models.importing import load
from elasticity.models.loading import load_model, save
from elasticity.models.shapes import shape_of
from elasticity.models.sources import fetch, source_of
from elasticity.models.tokenizer import beginning, check_same_vocabulary, encode, load_tokenizer
from tests.unit.families import CHATML, FAMILIES
from tests.unit.hub_cache import COMMIT, add_to_cache

SHAPE = ModelShape(
    layers=2, hidden_size=16, intermediate_size=24, heads=2, key_value_heads=1, head_size=8, vocabulary=512, tied=False
)
HUB = HubModel(kind="hub", repo="org/model", revision=COMMIT, shape=SHAPE)
GGUF = GgufModel(kind="gguf", path="model.gguf", shape=SHAPE)


def given(folder: Path) -> ModelFolder:
    return ModelFolder(kind="folder", path=str(folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of the shape above, in bf16."""
    return FAMILIES["llama3"].save(tmp_path / "given")


# Folders


def test_weights_in_pickles_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"no weights in safetensors: convert them; pickles .* are not read"):
        load(given(folder), folder)


def test_generation_settings_of_a_folder_are_left_out(tmp_path: Path) -> None:
    """transformers refuses to save the generation settings of Llama 2."""
    folder = FAMILIES["llama"].save(tmp_path / "given")
    model, tokenizer = load(given(folder), folder)
    save(model, tokenizer, tmp_path / "made", 0.0)
    assert load_model(tmp_path / "made").generation_config.temperature in (None, 1.0)


def test_a_tokenizer_without_an_eos_token_is_an_error(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text("{}")
    with pytest.raises(UserError, match=r"has no eos_token: set it in its tokenizer_config.json"):
        load(given(folder), folder)


def test_an_added_padding_token_gets_a_row(folder: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(folder)
    before = len(tokenizer)
    tokenizer.add_tokens([AddedToken(f"<|{number}|>", special=True) for number in range(520 - before)])
    tokenizer.pad_token = "<|0|>"
    tokenizer.save_pretrained(folder)
    model, tokenizer = load(given(folder), folder)
    assert len(tokenizer) == 520 == model.config.vocab_size
    assert tokenizer.pad_token_id == before
    save(model, tokenizer, tmp_path / "made", 0.0)
    assert load_model(tmp_path / "made").lm_head.weight.shape == (520, 16)


def test_models_of_different_vocabularies_are_not_compared(folder: Path, tmp_path: Path) -> None:
    other = FAMILIES["qwen"].save(tmp_path / "other")
    check_same_vocabulary(folder, folder)
    with pytest.raises(UserError, match=r"different vocabularies \(\d+ and \d+ tokens; token 0 is '<\|.*only one of"):
        check_same_vocabulary(folder, other)


# The hub


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Put a folder and other files into the hub's cache; there is no network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def add(folder: Path) -> None:
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        more = {"original/model.safetensors": b"once more", "modeling.py": b"raise SystemExit", "consolidated.bin": b""}
        add_to_cache(tmp_path / "cache", "model", "org/model", files | more)

    return add


def test_a_model_of_the_hub_is_fetched_and_imported(folder: Path, add: Callable[[Path], None], tmp_path: Path) -> None:
    add(folder)
    fetch(HUB, tmp_path / "source")
    names = {path.name for path in (tmp_path / "source").iterdir()}
    assert names == {path.name for path in folder.iterdir()}
    assert all(path.is_file() and not path.is_symlink() for path in (tmp_path / "source").iterdir())
    model, tokenizer = load(HUB, source_of(HUB, tmp_path / "source"))
    expected, _ = load(given(folder), folder)
    assert all(torch.equal(weight, expected.state_dict()[name]) for name, weight in model.state_dict().items())
    assert tokenizer.bos_token == "<|begin_of_text|>"


def test_a_repository_with_pickles_only_is_refused(folder: Path, add: Callable[[Path], None], tmp_path: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    add(folder)
    with pytest.raises(UserError, match=r"org/model at revision 0123.* no weights in safetensors.*refs/pr/NUMBER"):
        fetch(HUB, tmp_path / "source")


@pytest.mark.parametrize("change", [{"layers": 3}, {"tied": True}, {"head_size": 16}, {"vocabulary": 500}], ids=str)
def test_a_model_of_another_shape_than_the_study_says_is_an_error(
    change: dict[str, int], folder: Path, add: Callable[[Path], None], tmp_path: Path
) -> None:
    add(folder)
    wrong = HUB.model_copy(update={"shape": SHAPE.model_copy(update=change)})
    ((name, value),) = change.items()
    with pytest.raises(UserError, match=rf"has {name} \w+, but the study's shape says {value}"):
        fetch(wrong, tmp_path / "source")


def test_a_model_of_two_matrices_that_should_have_three_is_an_error(tmp_path: Path) -> None:
    folder = FAMILIES["pythia"].save(tmp_path / "given")
    shape = SHAPE.model_copy(update={"key_value_heads": 2})
    with pytest.raises(UserError, match=r"parameters, but a model of the study's shape has.*check `gated`"):
        load(HUB.model_copy(update={"shape": shape}), folder)


# GGUF


@pytest.fixture
def written(tmp_path: Path) -> Callable[[bool], PreTrainedModel]:
    """Write model.gguf, with or without a BOS token before texts; returns the model."""
    gguf_file = pytest.importorskip("tests.unit.gguf_file")

    def write(puts_beginning: bool) -> PreTrainedModel:
        family = FAMILIES["llama3"]
        sizes = {"vocab_size": 380, "hidden_size": 32, "intermediate_size": 64}
        config = LlamaConfig(**(family.config.to_dict() | sizes | {"head_dim": 16}))
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        gguf_file.write_gguf(tmp_path / "model.gguf", model, family.tokenizer(), puts_beginning)
        return model

    return write


def gguf_model(path: Path, **changes: object) -> GgufModel:
    sizes = {"vocabulary": 380, "hidden_size": 32, "intermediate_size": 64, "head_size": 16}
    return GgufModel(kind="gguf", path=str(path), shape=SHAPE.model_copy(update=sizes | changes))


def test_a_gguf_file_is_unpacked(written: Callable[[bool], PreTrainedModel], tmp_path: Path) -> None:
    expected = written(False)
    settings = gguf_model(tmp_path / "model.gguf")
    model, tokenizer = load(settings, source_of(settings, tmp_path))
    save(model, tokenizer, tmp_path / "made", 0.0)
    tokens = torch.tensor([[5, 9, 300, 4]])
    with torch.no_grad():
        torch.testing.assert_close(load_model(tmp_path / "made")(tokens).logits, expected(tokens).logits)
    tokenizer = load_tokenizer(tmp_path / "made")
    own = FAMILIES["llama3"].tokenizer()
    text = "The film: {braces} 12"
    assert encode(tokenizer, [text]) == [own.encode(text, add_special_tokens=False).ids]
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<|begin_of_text|>", "<|end_of_text|>")


def test_the_header_of_a_gguf_file_gives_the_shape_of_the_imported_model(
    written: Callable[[bool], PreTrainedModel], tmp_path: Path
) -> None:
    written(False)
    described = gguf_model(tmp_path / "model.gguf")
    settings = described.model_copy(update={"shape": None})
    model, tokenizer = load(settings, tmp_path / "model.gguf")
    save(model, tokenizer, tmp_path / "made", 0.0)
    assert shape_of(settings) == shape_of(given(tmp_path / "made")) == shape_of(described)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1", "does not begin with GGUF"),
        (b"GGUF" + (9).to_bytes(4, "little"), "version 9"),
        (b"GGUF" + (3).to_bytes(4, "little") + (2**40).to_bytes(8, "little") * 2 + b"llama", "buffer"),
    ],
)
def test_what_is_no_whole_gguf_file_is_named(content: bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    with pytest.raises(UserError, match=rf"model.gguf cannot be read as a GGUF file: .*{words}.*Fetch it again"):
        shape_of(GgufModel(kind="gguf", path=str(file)))


def test_a_header_with_the_tokens_of_a_large_vocabulary_is_read_in_a_moment(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(tmp_path / "model.gguf", "llama")
    for add in ("block_count", "embedding_length", "feed_forward_length", "head_count"):
        getattr(writer, f"add_{add}")(4)
    writer.add_head_count_kv([1, 2, 2, 1])
    writer.add_vocab_size(200_000)
    writer.add_token_list([f"token {number}" for number in range(200_000)])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    begun = time.process_time()
    shape = shape_of(GgufModel(kind="gguf", path=str(tmp_path / "model.gguf")))
    assert time.process_time() - begun < 2
    assert (shape.layers, shape.key_value_heads, shape.vocabulary) == (4, 2, 200_000)


@pytest.mark.parametrize("puts", [True, False])
def test_a_gguf_file_says_whether_texts_have_a_bos_token(
    puts: bool, written: Callable[[bool], PreTrainedModel], tmp_path: Path
) -> None:
    written(puts)
    settings = gguf_model(tmp_path / "model.gguf")
    model, tokenizer = load(settings, source_of(settings, tmp_path))
    save(model, tokenizer, tmp_path / "made", 0.0)
    assert beginning(load_tokenizer(tmp_path / "made")) == ([0] if puts else [])


def test_a_gguf_file_with_another_checksum_or_shape_is_an_error(
    written: Callable[[bool], PreTrainedModel], tmp_path: Path
) -> None:
    written(False)
    file = tmp_path / "model.gguf"
    with pytest.raises(UserError, match="another checksum"):
        load(gguf_model(file).model_copy(update={"sha256": "0" * 64}), file)
    with pytest.raises(UserError, match="has layers 2, but the study's shape says 4"):
        load(gguf_model(file, layers=4), file)
    file.write_bytes(b"GGUF")
    with pytest.raises(UserError, match=r"model.gguf cannot be loaded"):
        load(gguf_model(file), file)


def test_a_file_of_a_package_is_found() -> None:
    assert package_file("pytest", "__init__.py").is_file()
    with pytest.raises(UserError, match=r"pytest has no file model.gguf"):
        source_of(GGUF.model_copy(update={"package": "pytest"}), Path())
    for package in ("no_such_package", "no_such.package"):
        with pytest.raises(UserError, match=f"{package} is not installed"):
            package_file(package, "x")


# Templates and long texts


def test_a_model_without_a_chat_template_cannot_chat(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(UserError, match=r"has no chat template. Use template: conversation or plain"):
        context(tokenizer, "chat", ["a"])


@pytest.mark.parametrize("template", ["{{ raise_exception('no') }}", "{{ messages[1] }}", "{% if", "never mind"])
def test_a_chat_template_that_does_not_render_a_single_prompt_is_an_error(folder: Path, template: str) -> None:
    tokenizer = load_tokenizer(folder)
    tokenizer.chat_template = template
    with pytest.raises(UserError, match="does not render a single prompt"):
        context(tokenizer, "chat", ["a"])


def test_a_prompt_that_leaves_no_room_is_an_error_that_names_the_example(folder: Path) -> None:
    rows = [{"id": name, "prompt": "word " * count, "response": "yes"} for name, count in (("a", 1), ("b", 40))]
    with pytest.raises(UserError, match=r"example b has no target token: its prompt takes \d+ of max_length 60"):
        training_examples(rows, load_tokenizer(folder), "conversation", 60)


def test_an_empty_prompt_without_a_bos_token_is_an_error(tmp_path: Path) -> None:
    folder = FAMILIES["qwen"].save(tmp_path)
    tokenizer = load_tokenizer(folder)
    engine = TransformersEngine(load_model(folder), tokenizer)
    rows = [{"prompt_id": "p", "prompt": ""}]
    with pytest.raises(UserError, match="prompt p is empty"):
        generate(engine, tokenizer, rows, Sampling(new_tokens=2), "plain")
    assert generate(engine, tokenizer, rows, Sampling(new_tokens=2), "conversation")


@pytest.mark.parametrize("family", ["llama", "qwen"])
@pytest.mark.parametrize("text", ["The film opens on a quiet harbour. " * 400, "x" * 9000, "日本 " * 3000])
def test_the_first_tokens_of_a_long_text_are_those_of_the_whole_text(family: str, text: str, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(FAMILIES[family].save(tmp_path))
    (whole,), (first,) = encode(tokenizer, [text]), encode(tokenizer, [text], 50)
    assert first == whole[:50]


def test_a_text_of_ten_megabytes_is_encoded_quickly(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    row = {"id": "x", "prompt": "", "response": "The film opens on a quiet harbour. " * 300_000}
    started = time.monotonic()
    (example,) = training_examples([row], tokenizer, "plain", 64)
    assert time.monotonic() - started < 1
    assert len(example.tokens) == 64


def test_the_stand_in_is_not_part_of_the_rendered_template(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    tokenizer.chat_template = CHATML
    text = tokenizer.decode(context(tokenizer, "chat", ["Say {braces}."])[0], skip_special_tokens=False)
    assert json.dumps(text).count("Say {braces}.") == 1
