"""Shapes against real models of transformers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    FalconConfig,
    GPT2Config,
    GPTBigCodeConfig,
    GPTJConfig,
    GPTNeoConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MixtralConfig,
    MptConfig,
    OPTConfig,
    PhiConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
    Qwen3MoeConfig,
)

from elasticity.config.models import GgufModel, HubModel, ModelFolder, ModelShape, Pretrained, TunedModel
from elasticity.config.training import FineTuning
from elasticity.core.errors import UserError
from elasticity.models.shapes import Shape, check_shape, shape_in, shape_of
from tests.unit.conftest import SHAPE
from tests.unit.hub_cache import COMMIT, add_to_cache
from tests.unit.shapes import MODELS

SMALL: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
}

CONFIGS = {
    "tied": LlamaConfig(**SMALL, tie_word_embeddings=True),
    "untied": LlamaConfig(**SMALL, tie_word_embeddings=False),
    "few keys": LlamaConfig(**SMALL, num_key_value_heads=2),
    "wide heads": Qwen3Config(**SMALL, num_key_value_heads=2, head_dim=16, tie_word_embeddings=True),
    "biases": Qwen2Config(**SMALL, num_key_value_heads=2),
    "GPT-2": GPT2Config(vocab_size=300, n_embd=32, n_layer=3, n_head=4, n_positions=16),
}


def model_of(config: Any) -> PreTrainedModel:
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    return model


def parameters(model: PreTrainedModel) -> int:
    """Tied weights count once."""
    return sum(parameter.numel() for parameter in model.parameters())


def saved(config: Any, folder: Path, **how: Any) -> ModelFolder:
    AutoModelForCausalLM.from_config(config).save_pretrained(folder, **how)
    return ModelFolder(kind="folder", path=str(folder))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_parameters_of_a_folder_are_those_of_its_files(config: Any, tmp_path: Path) -> None:
    model = model_of(config)
    shape = shape_of(saved(config, tmp_path))
    assert shape.parameters == parameters(model)
    assert shape.tied == (model.get_input_embeddings().weight is model.get_output_embeddings().weight)
    assert (shape.layers, shape.hidden_size, shape.heads, shape.vocabulary) == (3, 32, 4, 300)


@pytest.mark.parametrize("config", [CONFIGS[name] for name in ("tied", "untied", "few keys")])
def test_without_files_of_weights_parameters_are_counted_from_the_config(config: Any, tmp_path: Path) -> None:
    folder = saved(config, tmp_path)
    with_files = shape_of(folder)
    (tmp_path / "model.safetensors").unlink()
    assert shape_of(folder) == with_files


def test_widths_are_read(tmp_path: Path) -> None:
    shape = shape_of(saved(CONFIGS["wide heads"], tmp_path))
    assert (shape.intermediate_size, shape.key_value_heads, shape.head_size) == (48, 2, 16)
    assert shape_of(saved(CONFIGS["GPT-2"], tmp_path / "gpt2")).intermediate_size == 4 * 32


def test_weights_in_several_files_and_in_bf16_are_counted(tmp_path: Path) -> None:
    config = CONFIGS["untied"]
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    (tmp_path / "consolidated.safetensors").write_bytes(b"the same once more, as some folders have it")
    assert shape_of(ModelFolder(kind="folder", path=str(tmp_path))).parameters == parameters(model)


def test_weights_are_tied_if_the_config_does_not_say(tmp_path: Path) -> None:
    """Older files contain only values that differ from the default."""
    folder = saved(CONFIGS["tied"], tmp_path)
    expected = shape_of(folder)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["tie_word_embeddings"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert shape_of(folder) == expected


def test_a_tied_output_layer_that_is_stored_twice_counts_once(tmp_path: Path) -> None:
    folder = saved(CONFIGS["tied"], tmp_path)
    expected = shape_of(folder)
    tensors = load_file(tmp_path / "model.safetensors")
    save_file(tensors | {"lm_head.weight": torch.zeros(300, 32)}, tmp_path / "model.safetensors")
    assert shape_of(folder) == expected


def test_the_shape_of_a_pretrained_model_is_that_of_the_model(fresh_model: Any) -> None:
    shape = shape_of(SHAPE)
    model = fresh_model()
    assert shape.parameters == parameters(model)
    assert (shape.intermediate_size, shape.vocabulary) == (model.config.intermediate_size, model.config.vocab_size)


@pytest.mark.parametrize("hidden_size", [16, 160, 384])
def test_pretrained_models_of_any_width(hidden_size: int) -> None:
    pretrained = Pretrained.model_validate(SHAPE.model_dump() | {"hidden_size": hidden_size, "layers": 2})
    config = LlamaConfig(
        vocab_size=320,
        hidden_size=hidden_size,
        intermediate_size=pretrained.intermediate_size,
        num_hidden_layers=2,
        num_attention_heads=2,
        tie_word_embeddings=True,
    )
    assert shape_of(pretrained).parameters == parameters(model_of(config))


@pytest.mark.parametrize(("name", "billions"), [("1.1B", 1.10), ("2.5B", 2.51), ("7B", 6.74), ("8B", 8.03)])
def test_published_models_have_the_published_number_of_parameters(name: str, billions: float) -> None:
    assert round(MODELS[name].parameters / 1e9, 2) == billions


def test_layers_and_embeddings_are_the_whole_model_but_for_the_last_norm() -> None:
    for shape in (MODELS["2.5B"], MODELS["7B"]):
        embeddings = shape.embedding * (1 if shape.tied else 2)
        assert 0 <= shape.parameters - embeddings - shape.layers * shape.layer <= shape.hidden_size


# Configurations alone, as they are on the hub

WIDE: dict[str, Any] = {"vocab_size": 512, "hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4}
MPT: dict[str, Any] = {"vocab_size": 512, "d_model": 256, "n_layers": 2, "n_heads": 4}
OLD: dict[str, Any] = {"vocab_size": 512, "n_embd": 256, "n_layer": 2, "n_head": 4, "n_positions": 8}
NEO: dict[str, Any] = {"attention_types": [[["global", "local"], 1]], "max_position_embeddings": 8}
EXPERTS: dict[str, Any] = {"intermediate_size": 128, "num_key_value_heads": 2, "tie_word_embeddings": False}
FAMILIES = {
    "bloom": (BloomConfig(vocab_size=512, hidden_size=256, n_layer=2, n_head=4), 1024, 4),
    "falcon": (FalconConfig(**WIDE, multi_query=True), 1024, 1),
    "falcon of 40B": (FalconConfig(**WIDE, new_decoder_architecture=True, num_kv_heads=2, bias=False), 1024, 2),
    "gpt2": (GPT2Config(**OLD), 1024, 4),
    "gpt-bigcode": (GPTBigCodeConfig(**OLD), 1024, 1),
    "gpt-j": (GPTJConfig(**OLD, rotary_dim=8, tie_word_embeddings=False), 1024, 4),
    "gpt-neo": (GPTNeoConfig(vocab_size=512, hidden_size=256, num_layers=2, num_heads=4, **NEO), 1024, 4),
    "mixtral": (MixtralConfig(**WIDE | EXPERTS, num_local_experts=4), 128, 2),
    "mpt": (MptConfig(**MPT, max_seq_len=8), 1024, 4),
    "opt": (OPTConfig(**WIDE, ffn_dim=512, max_position_embeddings=8, word_embed_proj_dim=256), 512, 4),
    "phi": (PhiConfig(**WIDE, intermediate_size=512), 512, 4),
    "qwen3-moe": (
        Qwen3MoeConfig(**WIDE | EXPERTS, num_experts=8, moe_intermediate_size=64, head_dim=64, decoder_sparse_step=1),
        64,
        2,
    ),
}
"""Configurations, with the width of the feed-forward layers and the number of heads of keys and values."""


@pytest.mark.parametrize("name", FAMILIES)
def test_a_configuration_alone_gives_the_shape(name: str) -> None:
    config, intermediate_size, key_value_heads = FAMILIES[name]
    written = json.loads(config.to_json_string())
    shape = shape_in(written, name)
    assert (shape.layers, shape.hidden_size, shape.heads, shape.head_size, shape.vocabulary) == (2, 256, 4, 64, 512)
    assert (shape.intermediate_size, shape.key_value_heads) == (intermediate_size, key_value_heads)
    model = model_of(config)
    assert shape.parameters == pytest.approx(parameters(model), rel=0.02)
    assert shape.tied == (model.get_input_embeddings().weight is model.get_output_embeddings().weight)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"architectures": ["BertForMaskedLM"]}, "was saved as BertForMaskedLM, which is no causal language model"),
        ({"is_encoder_decoder": True}, "is an encoder with a decoder, which is no causal language model"),
        ({"vision_config": {}}, "reads more than text"),
        ({"quantization_config": {"quant_method": "gptq"}}, r"holds quantized weights \(gptq\)"),
    ],
    ids=lambda it: str(it)[:20],
)
def test_what_is_no_text_model_with_plain_weights_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=f"x {words}"):
        shape_in(json.loads(LlamaConfig(**SMALL).to_json_string()) | config, "x")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache; there is no network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "cache"


@pytest.mark.parametrize("revision", [COMMIT, "main"])
def test_a_model_of_the_hub_has_the_shape_in_its_configuration(revision: str, cache: Path) -> None:
    config = CONFIGS["few keys"].to_json_string()
    add_to_cache(cache, "model", "org/model", {"config.json": config.encode()}, refs=("main",))
    assert shape_of(HubModel(kind="hub", repo="org/model", revision=revision)) == shape_in(json.loads(config), "x")


def test_without_network_and_cache_the_message_says_what_to_do(cache: Path) -> None:
    with pytest.raises(UserError, match=r"org/model at revision main .* with network access.* Or give the `shape`"):
        shape_of(HubModel(kind="hub", repo="org/model", revision="main"))


# Models without files

LLAMA = ModelShape(
    layers=3, hidden_size=32, intermediate_size=48, heads=4, key_value_heads=2, head_size=8, vocabulary=300, tied=False
)
SOURCES = [
    HubModel(kind="hub", repo="org/model", revision="main", shape=LLAMA),
    GgufModel(kind="gguf", path="missing.gguf", shape=LLAMA),
]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.kind)
def test_a_model_without_files_has_the_shape_in_the_study(source: Any, tmp_path: Path) -> None:
    assert shape_of(source) == shape_of(saved(CONFIGS["few keys"], tmp_path))


def test_feed_forward_layers_of_two_matrices_are_counted() -> None:
    sizes = {"hidden_size": 512, "num_hidden_layers": 6, "num_attention_heads": 8, "intermediate_size": 2048}
    config = GPTNeoXConfig(**sizes, vocab_size=50_304, tie_word_embeddings=False)
    described = LLAMA.model_copy(
        update={
            "layers": 6,
            "hidden_size": 512,
            "intermediate_size": 2048,
            "heads": 8,
            "key_value_heads": 8,
            "head_size": 64,
            "vocabulary": 50_304,
            "gated": False,
        }
    )
    found = replace(shape_in(config.to_dict(), "pythia"), parameters=parameters(model_of(config)))
    check_shape(described, found, "pythia")
    with pytest.raises(UserError, match="check `gated`"):
        check_shape(described.model_copy(update={"gated": True}), found, "pythia")


def test_a_tuned_model_has_no_shape_of_its_own() -> None:
    tuning = FineTuning(learning_rate=1e-5, batch_size=4, max_length=16)
    tuned = TunedModel(kind="tuned", base="a", task="b", side="neutral", examples=4, tuning=tuning)
    with pytest.raises(TypeError, match="has the shape of its base model: ask for that of a"):
        shape_of(tuned)


# Errors


def test_a_folder_without_a_config_is_an_error(tmp_path: Path) -> None:
    folder = ModelFolder(kind="folder", path=str(tmp_path))
    with pytest.raises(UserError, match="holds no readable config"):
        shape_of(folder)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match="holds no readable config"):
        shape_of(folder)


@pytest.mark.parametrize("missing", ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"])
def test_a_config_without_a_number_is_an_error(missing: str, tmp_path: Path) -> None:
    folder = saved(CONFIGS["tied"], tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config[missing]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=f"no number {missing}"):
        shape_of(folder)


@pytest.mark.parametrize(
    "content", [b"", b"version https://git-lfs.github.com/spec/v1\noid", b"\x02" + 7 * b"\0" + b"[]"]
)
def test_a_broken_file_of_weights_is_an_error(content: bytes, tmp_path: Path) -> None:
    folder = saved(CONFIGS["tied"], tmp_path)
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"model.safetensors is not a safetensors file"):
        shape_of(folder)


def test_shapes_can_be_keys() -> None:
    assert len({*MODELS.values(), Shape(1, 1, 1, 1, 1, 1, 1, 1, True)}) == len(MODELS) + 1
