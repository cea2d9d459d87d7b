"""Batches of which this process works on some rows, and others on the rest.

Whatever mixes the rows of a batch asks here for those of all processes. Where there is one, as
nearly always, each function gives what it was given.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import NamedTuple

from torch.nn import functional as F

from .context import having


class Share(NamedTuple):
    """The rows of a batch that this process works on.

    ``add`` gives the sum of a tensor over the processes, through which gradients flow.
    """

    start: int
    n_rows: int
    n_all: int
    n_processes: int
    add: Callable


SHARE = ContextVar("SHARE", default=None)


def sharing(share):
    """Work on these rows of a batch within."""
    return having(SHARE, share)


def sum_of_all(total):
    """The sum over all rows of the batch, from that over the rows here."""
    share = SHARE.get()
    return total if share is None else share.add(total)


def mean_of_all(mean):
    """The mean over all rows of the batch, from that over the rows here."""
    share = SHARE.get()
    return mean if share is None else share.add(mean * (share.n_rows / share.n_all))


def part_of_mean(mean):
    """What a mean over the rows here adds to a loss, of which the processes take the average.

    It is `mean_of_all` where no function is taken of the mean, and asks no other process.
    """
    share = SHARE.get()
    return mean if share is None else mean * (share.n_rows * share.n_processes / share.n_all)


def number_of_all(n):
    """How many rows, or pieces of rows, the batch has, from the number here."""
    share = SHARE.get()
    return n if share is None else n // share.n_rows * share.n_all


def rows_of_all(x):
    """All rows of the batch, from those here; a row may consist of several of ``x``."""
    share = SHARE.get()
    if share is None:
        return x
    each = len(x) // share.n_rows
    before, after = share.start, share.n_all - share.start - share.n_rows
    return share.add(F.pad(x, (*[0] * (2 * x.dim() - 2), each * before, each * after)))


def drawn_for_all(draw, shape, axis=0):
    """``draw(shape)`` for the rows here, of what is drawn for all rows of the batch.

    All processes draw the same, and what one process alone would: ``axis`` is that of the rows.
    """
    share = SHARE.get()
    if share is None:
        return draw(shape)
    whole, each = list(shape), shape[axis] // share.n_rows
    whole[axis] = each * share.n_all
    return draw(whole).narrow(axis, each * share.start, each * share.n_rows)
