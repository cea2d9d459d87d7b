"""Whether operations are written down as a graph, which has no branch on the rows at hand."""

from contextvars import ContextVar

from .context import having

TRACING = ContextVar("TRACING", default=False)


def tracing():
    """Within, modules do the same operations whatever the rows are, of those a graph can have."""
    return having(TRACING, True)


def is_traced():
    """Whether what runs is being written down."""
    return TRACING.get()
