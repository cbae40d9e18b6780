"""The shape of a model in a GGUF file, read from its header, without its weights.

The header holds settings by name, such as ``llama.block_count``, then the name and the dimensions of each tensor.
"""

import math
import mmap
import struct
from pathlib import Path
from typing import Any

from elasticity.config.models import GgufModel, ModelShape
from elasticity.core.errors import UserError
from elasticity.core.hub import package_file

SCALARS = "BbHhIif?--Qqd"
"""The codes of ``struct`` for the kinds 0 to 12 of a value, except for texts and lists."""


TEXT, LIST = 8, 9
"""The kinds of a value that are not scalars."""


def gguf_file(model: GgufModel) -> Path:
    """The path of a GGUF file. Raises ``UserError`` if it is in a package that is not installed or has no such file."""
    return package_file(model.package, model.path) if model.package else Path(model.path)


def read_gguf_shape(file: Path) -> tuple[ModelShape, int]:
    """The shape of the model in a GGUF file, and its number of parameters.

    Raises ``UserError`` if the file cannot be read, is no GGUF file, or lacks a number.
    """
    try:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            settings, tensors = _Header(content).read()
    except (OSError, ValueError, struct.error, IndexError) as error:
        raise UserError(f"{file} cannot be read as a GGUF file: {error}. Fetch it again.") from None
    return _shape(settings, tensors, file), sum(map(math.prod, tensors.values()))


def _shape(settings: dict[str, Any], tensors: dict[str, tuple[int, ...]], file: Path) -> ModelShape:
    family = settings.get("general.architecture")

    def number(name: str, otherwise: int | None = None) -> int:
        found = settings.get(f"{family}.{name}", otherwise)
        if not isinstance(found, int) or found < 1:
            raise UserError(
                f"{file} has no number {family}.{name}, so memory and time of its jobs cannot be planned: give the "
                "`shape` of the model in the study, or use a dense decoder, such as a Llama, Qwen or Gemma"
            )
        return found

    hidden_size, heads = number("embedding_length"), number("attention.head_count")
    embedding = tensors.get("token_embd.weight", ())
    return ModelShape(
        layers=number("block_count"),
        hidden_size=hidden_size,
        intermediate_size=number("feed_forward_length"),
        heads=heads,
        key_value_heads=number("attention.head_count_kv", heads),
        head_size=number("attention.key_length", hidden_size // heads),
        vocabulary=embedding[-1] if embedding else number("vocab_size"),
        tied="output.weight" not in tensors,
    )


class _Header:
    """Reads the parts of a header one after the other."""

    def __init__(self, content: mmap.mmap) -> None:
        self.content, self.place = content, 0

    def read(self) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
        """The settings by name, of lists the largest number, and the dimensions of each tensor, innermost first."""
        if self.content[:4] != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        _, version = self._next("4sI")
        if version not in (2, 3):
            raise ValueError(f"it has version {version}, but versions 2 and 3 in little-endian order can be read")
        tensors, settings = self._next("QQ")
        found = {self._text(): self._value(*self._next("I")) for _ in range(settings)}
        return found, dict(self._tensor() for _ in range(tensors))

    def _next(self, codes: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{codes}", self.content, self.place)
        self.place += struct.calcsize(f"<{codes}")
        return values

    def _text(self) -> str:
        (length,) = self._next("Q")
        self.place += length
        return self.content[self.place - length : self.place].decode()

    def _value(self, kind: int) -> Any:
        if kind == TEXT:
            return self._text()
        if kind != LIST:
            return self._next(SCALARS[kind])[0]
        kind, length = self._next("IQ")
        if kind not in (TEXT, LIST):
            return max(self._next(f"{length}{SCALARS[kind]}"), default=None)
        for _ in range(length):  # the tokens and merges of the tokenizer
            self._value(kind)
        return None

    def _tensor(self) -> tuple[str, tuple[int, ...]]:
        name = self._text()
        (count,) = self._next("I")
        dimensions = self._next(f"{count}Q")
        self._next("IQ")  # the type of the elements, and where they begin
        return name, dimensions
