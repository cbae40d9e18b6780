"""Held-out texts of the corpora that compression rates are measured on, and general-purpose compressors."""

import gzip
import lzma
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from elasticity.config.compression import Corpus, Reading
from elasticity.core.tables import read_rows
from elasticity.data.schemas import EXAMPLES, text_of


@dataclass(frozen=True)
class HeldOutText:
    """The part of a held-out text that is read."""

    corpus: Corpus
    id: str
    text: str

    @property
    def utf8_bytes(self) -> int:
        """The size of the text in bytes."""
        return len(self.text.encode())


def held_out_texts(corpora: Iterable[tuple[Corpus, Path]], reading: Reading) -> list[HeldOutText]:
    """Return the texts of each corpus, whose file has schema ``EXAMPLES``; a prompt and its response are one text."""
    return [
        HeldOutText(corpus, row["id"], text_of(row)[: reading.characters])
        for corpus, path in corpora
        for row in read_rows(path, EXAMPLES)
    ]


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 9, mtime=0),
    "xz": lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
    "zstd": lambda data: bytes(pa.Codec("zstd", compression_level=19).compress(data, asbytes=True)),
}


def packed_bits_per_byte(texts: Iterable[str]) -> dict[str, float]:
    """Return the compressed size of all texts together, in bits per byte, for each compressor."""
    data = "\n".join(texts).encode()
    return {name: 8 * len(pack(data)) / len(data) for name, pack in PACKERS.items()}
