"""Whether operations are written down as a graph, which has no branch on the rows at hand."""

from contextlib import contextmanager
from contextvars import ContextVar

TRACING = ContextVar("TRACING", default=False)


@contextmanager
def tracing():
    """Within, modules do the same operations whatever the rows are, of those a graph can have."""
    token = TRACING.set(True)
    try:
        yield
    finally:
        TRACING.reset(token)


def is_traced():
    """Whether what runs is being written down."""
    return TRACING.get()
