"""Labels are matched by value."""

import pytest

from elasticity.config.data import Fields
from elasticity.config.labels import label_key
from elasticity.data.labels import ClassLabel, label_keys, shown


@pytest.mark.parametrize(
    "labels",
    [
        (1, 1.0, "1", "1.0", True, "true", "True", "TRUE", "yes", "Yes", "on"),
        (0, 0.0, "0", False, "false", "no", "off"),
        (4.5, "4.5", "4.50"),
        (-1, -1.0, "-1"),
        ("pos",),
        ("Pos",),
        ("pos ",),
        ("007",),
        (7, "7"),
        ("1_000",),
        (1000,),
        ("",),
        ("None",),
    ],
)
def test_equal_values_are_one_label_whatever_their_type(labels: tuple[object, ...]) -> None:
    assert len(set(map(label_key, labels))) == 1


def test_different_labels_stay_apart() -> None:
    labels = (1, 0, 4.5, -1, "pos", "Pos", "pos ", "007", 7, "1_000", 1000, "", "None", 10**20, float("inf"))
    assert len(set(map(label_key, labels))) == len(labels)


def test_a_class_label_is_known_by_number_and_name_unless_its_name_is_a_number() -> None:
    assert label_keys(ClassLabel(1, "pos")) == ("1", "pos")
    assert label_keys(ClassLabel(0, "1 star")) == ("0", "1 star")
    assert label_keys(ClassLabel(0, "1")) == ("1",)


def test_labels_are_shown_so_that_blanks_are_seen() -> None:
    assert [shown(label) for label in (None, True, 1.0, "pos ", ClassLabel(1, "pos"), 3)] == [
        *("null", "true", "1.0", "'pos '", "'pos' (1)", "3")
    ]


def test_one_label_cannot_be_on_both_sides() -> None:
    with pytest.raises(ValueError, match=r"the same label \(4\)"):
        Fields(positive=(4, 5), negative=(1, "4.0"))
    Fields(positive=(4, 5), negative=(1, 2))
