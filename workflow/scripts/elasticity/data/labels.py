"""Labels in data files, some of which have a number and a name."""

from elasticity.config.labels import NUMBER, label_key

QUOTED = 40
"""Characters of a label that counts and messages quote."""


class ClassLabel(int):
    """A label of the kind ``ClassLabel`` of the library ``datasets``: a number that has a name."""

    name: str

    def __new__(cls, number: int, name: str) -> "ClassLabel":
        """The label with this number and name."""
        label = super().__new__(cls, number)
        label.name = name
        return label


def label_keys(label: object) -> tuple[str, ...]:
    """The keys of a label: a class label is known by its number and its name; by its name if that is a number, too."""
    if isinstance(label, ClassLabel):
        name = label_key(label.name)
        return (name,) if NUMBER.fullmatch(name) else (label_key(label), name)
    return (label_key(label),)


def shown(label: object) -> str:
    """A label as messages and counts show it: text in quotes, so that blanks are seen; JSON's words for the others."""
    if isinstance(label, ClassLabel):
        return f"{label.name!r} ({int(label)})"
    words = {None: "null", True: "true", False: "false"}
    plain = words.get(label) if label is None or isinstance(label, bool) else None
    return plain or f"{label!r:.{QUOTED}}"
