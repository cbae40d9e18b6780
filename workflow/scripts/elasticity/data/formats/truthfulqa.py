"""TruthfulQA: questions with several correct and several incorrect answers."""

from collections.abc import Iterable

from elasticity.config.formats import BOTH, Row, data_format
from elasticity.data.cleaning import Raw
from elasticity.data.rows import read_field, read_text


@data_format("truthfulqa", __name__, sides=BOTH, has_prompts=True)
def truthfulqa(row: Row) -> Iterable[Raw]:
    """One example for each answer: correct ones are positive, incorrect ones negative.

    Reads the authors' CSV file, and the part ``generation`` of the data set on the hub, which has other field names.
    """
    on_hub = "correct_answers" in row
    right, wrong = ("correct_answers", "incorrect_answers") if on_hub else ("Correct Answers", "Incorrect Answers")
    question = read_text(row, "question" if on_hub else "Question")
    for answer in _answers(row, right):
        yield Raw(question, answer, "positive")
    for answer in _answers(row, wrong):
        yield Raw(question, answer, "negative")


def _answers(row: Row, name: str) -> list[str]:
    """The answers that are not blank, in a list or in one text with semicolons between them."""
    value = read_field(row, name)
    answers = value if isinstance(value, list) else read_text(row, name).split(";")
    return [text for answer in answers if (text := read_text({name: answer}, name)).strip()]
