"""Compressors without a model, to compare with: at their strongest, on texts joined by line ends."""

import gzip
import lzma
from collections.abc import Callable, Iterable

import pyarrow as pa

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 9, mtime=0),
    "xz": lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
    "zstd": lambda data: bytes(pa.Codec("zstd", compression_level=19).compress(data, asbytes=True)),
}


def packed_bits_per_byte(texts: Iterable[str]) -> dict[str, float]:
    """Of each compressor."""
    data = "\n".join(texts).encode()
    return {name: 8 * len(pack(data)) / len(data) for name, pack in PACKERS.items()}
