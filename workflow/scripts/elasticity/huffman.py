"""Huffman's code: what the paper's compression protocol packs the leaves of a pruned token tree with."""

import heapq
from collections.abc import Iterable, Iterator, Mapping

Code = Mapping[str, str]
"""The word of each symbol, of "0" and "1"; no word begins another."""


def huffman_code(weights: Mapping[str, float]) -> Code:
    """A prefix-free code with the least mean length for these weights, of which there must be some.

    Symbols of equal weight are taken in their order. A single symbol has the empty word: it needs no bits.
    """
    heap = [(weight, place, {symbol: ""}) for place, (symbol, weight) in enumerate(weights.items())]
    heapq.heapify(heap)
    for place in range(len(heap), 2 * len(heap) - 1):
        (light, _, left), (heavy, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        words = {symbol: f"0{word}" for symbol, word in left.items()}
        words |= {symbol: f"1{word}" for symbol, word in right.items()}
        heapq.heappush(heap, (light + heavy, place, words))
    return heap[0][2]


def encoded(symbols: Iterable[str], code: Code) -> str:
    """The words of the symbols, one after another."""
    return "".join(code[symbol] for symbol in symbols)


def decoded(bits: str, code: Code) -> Iterator[str]:
    """The symbols that ``encoded`` made the bits from; the code needs two symbols or more."""
    symbols = {word: symbol for symbol, word in code.items()}
    word = ""
    for bit in bits:
        word += bit
        if word in symbols:
            yield symbols[word]
            word = ""


def mean_length_bits(weights: Mapping[str, float], code: Code) -> float:
    """Bits for a symbol, on average."""
    return sum(weight * len(code[symbol]) for symbol, weight in weights.items())
