"""Values that hold for what is called within a block, in its thread alone."""

from contextlib import contextmanager


@contextmanager
def having(variable, value):
    """The context variable has this value within, and its own again afterwards."""
    token = variable.set(value)
    try:
        yield value
    finally:
        variable.reset(token)
