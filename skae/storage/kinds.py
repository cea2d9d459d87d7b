"""What a kind of value is: how it is told, written as JSON, and read."""

from collections.abc import Callable
from typing import NamedTuple


class Kind(NamedTuple):
    """Values of one kind.

    ``write(value, writer, path)`` gives the fields of its JSON object, ``read(fields, reader)`` the
    value; both hand what the value holds to the writer or the reader.
    """

    tag: str
    takes: Callable
    write: Callable
    read: Callable


class CannotBeWritten(TypeError):
    """A value is of no kind that may stand in a file."""

    def __init__(self, value, path):
        name = type(value).__name__ if not isinstance(value, type) else f"class {value.__name__}"
        super().__init__(
            f"{spelled(path)} is of type {type(value).__module__}.{name}, which a file without "
            "code cannot hold. Save the parts that it can hold, or use pickle (joblib) among "
            "people who trust each other."
        )
        self.value = value


def spelled(path):
    """Where a value stands, as scikit-learn spells nested parameters."""
    return "__".join(str(part).strip("_") for part in path) or "it"
