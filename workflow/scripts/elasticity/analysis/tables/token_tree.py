"""The tables of the token trees of the study's own texts."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from elasticity.analysis.jobs import TokenTreeJob
from elasticity.analysis.table import Shown, Table, write_csv

if TYPE_CHECKING:
    from elasticity.analysis.text_trees import BitText
    from elasticity.runtime.command import Command


def read_texts(path: Path, characters: int, bits: Callable[[str], str]) -> "list[BitText]":
    """Read the beginnings of the texts of a file with schema ``EXAMPLES``, without those that are empty."""
    from elasticity.analysis.text_trees import BitText
    from elasticity.core.tables import read_rows
    from elasticity.data.schemas import EXAMPLES, text_of

    texts = (text_of(row)[:characters] for row in read_rows(path, EXAMPLES))
    return [BitText(bits(text), len(text.encode())) for text in texts if text]


def encoder(tokenizer: str | None) -> Callable[[str], str]:
    """The function that turns a text into bits: those of its bytes, or of its ids in the tokenizer in this folder.

    Raises ``UserError`` if the folder holds no fast tokenizer.
    """
    from elasticity.analysis.text_trees import bits_of_bytes, bits_of_ids
    from elasticity.core.errors import UserError

    if tokenizer is None:
        return bits_of_bytes
    from tokenizers import Tokenizer

    path = Path(tokenizer) / "tokenizer.json"
    if not path.is_file():
        raise UserError(f"{tokenizer} holds no fast tokenizer: token_tree.tokenizer needs a file tokenizer.json there")
    loaded = Tokenizer.from_file(str(path))
    loaded.encode_special_tokens = True
    vocabulary = 1 + max(loaded.get_vocab(with_added_tokens=True).values())
    return lambda text: bits_of_ids(loaded.encode(text, add_special_tokens=False).ids, vocabulary)


def make(command: "Command[TokenTreeJob]") -> None:
    """Write code lengths, laws of the leaf masses, and the theorem's derivatives with measured masses."""
    from elasticity.analysis.text_trees import all_leaves, code_lengths, mass_distributions, mass_laws, measured_slopes

    job = command.job
    settings, bits = job.settings, encoder(job.tokenizer)
    texts = zip(job.corpora, command.paths("texts"), strict=True)
    corpora = {name: read_texts(path, settings.characters, bits) for name, path in texts}
    others = zip(job.held_out, command.paths("held-out"), strict=True)
    held_out = {name: read_texts(path, job.held_out_characters, bits) for name, path in others}
    leaves = all_leaves(corpora, settings.depths)
    write_csv(code_lengths(corpora, held_out, leaves), command.path("table"))
    write_csv(mass_laws(leaves, settings.resamples), command.path("laws"))
    write_csv(mass_distributions(leaves), command.path("masses"))
    write_csv(measured_slopes(corpora, settings), command.path("slopes"))


TABLE = Table(
    job=TokenTreeJob,
    of="study",
    inputs=("texts",),
    optional=("held-out",),
    outputs={
        "table": "token-tree.csv",
        "laws": "token-tree-laws.csv",
        "masses": "token-tree-masses.csv",
        "slopes": "token-tree-slopes.csv",
    },
    make=make,
    chapter="Theory",
    subject="token trees of the texts",
    shown={
        "table": Shown(
            label="code lengths",
            caption="""
Token trees of the study's own texts. Each text is a string of bits, cut into blocks of d − 1 bits, which are the leaves
of a tree that is pruned to ``depth`` d. In bits per byte: ``entropy`` is −Σ p log₂ p over the leaves, ``ideal`` the
ideal code length of the paper, which rounds blocks and bits up but counts blocks of d bits, and ``huffman`` the length
of the same texts in the Huffman code of the tree. None counts the code book, which grows with the number of leaves:
``held_out`` is the length of other texts of the same kind in that code, where a block that the tree does not have costs
an escape word and its own bits.
""",
        ),
        "laws": Shown(
            label="laws of the leaf masses",
            beside=("masses",),
            caption="""
Whether leaf masses (divided by their mean) follow the Pareto law that the theorem assumes. ``part``: the leaves of all
blocks of the texts, or of the ``first`` block of each, as in a tree of whole responses. ``alpha`` is the exponent of
the best Pareto tail, with a 95 % bootstrap interval over leaves; it begins at ``threshold``, holds ``tail_leaves``
leaves and the share ``tail_mass`` of the blocks; ``distance`` is its Kolmogorov–Smirnov distance, and ``p`` the share
of samples of such a law that are as far from it (below 0.1 the law is usually rejected). Leaves that occur fewer than
10 times are in no tail. The theorem needs α > 2 and the law for *all* leaves, with mean 1: ``nearest_alpha`` is the
exponent of the nearest such law, ``nearest_distance`` its distance. The file beside it has the share of the leaves that
have at least a mass.
""",
        ),
        "slopes": Shown(
            label="signs with measured masses",
            caption="""
The theorem's rates and derivatives with the leaf masses of the three corpora of each ``union`` in place of a Pareto
law, for each ratio ``k`` of the sizes of D1 and D2, and ``l`` of D3 and D2. ``slope``: dγ/dl of D1 and D2 in nats per
leaf for these very texts. Masses that are counted in few texts have an error, which biases slopes: ``corrected`` is the
slope without that bias, and ``error`` its standard error, by bootstrap over texts (for deep trees the bias is removed
in part only). ``noise``: the mean slope of the same texts, divided at random into corpora of the same sizes, which are
then all of one kind. ``first_version``: the derivative with the normalisation of the first version of the paper;
missing where a leaf of D3 is in neither D1 nor D2 and l = 0.
""",
        ),
    },
)
