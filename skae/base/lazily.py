"""Answers for rows of dask: collections whose blocks are answered for when they are computed."""

import functools
import inspect

import numpy as np

from .._sklearn import n_samples_of
from ..rows.blocks import in_whole_rows, is_frame_of_dask, is_of_dask

# Methods that say of each row something that does not depend on the others.
BY_ROW = (
    "transform",
    "inverse_transform",
    "reconstruct",
    "score_samples",
    "decision_function",
    "predict",
    "predict_proba",
)


class LazyMixin:
    """Methods that take an array or a frame of dask, and give one.

    An estimator is one part of the graph: a worker is sent it once, however many blocks it has.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name in BY_ROW:
            method = inspect.getattr_static(cls, name, None)
            if inspect.isfunction(method) and not hasattr(method, "is_lazy"):
                setattr(cls, name, lazily(method))


def lazily(method):
    """Decorate a method of rows: that of dask's are answered block by block."""

    @functools.wraps(method)
    def answering(self, X, *args, **kwargs):
        if args or kwargs or not is_of_dask(X):
            return method(self, X, *args, **kwargs)
        return mapped(self, method.__name__, X)

    answering.is_lazy = True
    return answering


def mapped(estimator, name, X):
    """What a method says of the rows of a collection, as a collection of the same blocks."""
    from dask import delayed

    model = delayed(estimator, pure=False)  # a name of its own, without a look at its weights
    if is_frame_of_dask(X):
        from dask.dataframe.utils import meta_nonempty

        empty = getattr(estimator, name)(meta_nonempty(X._meta))[:0]
        return X.map_partitions(answer, model, name, empty, meta=empty)
    X = in_whole_rows(X)
    empty = getattr(estimator, name)(np.ones((1, *X.shape[1:]), dtype=X.dtype))[:0]
    return X.map_blocks(
        answer,
        model,
        name,
        empty,
        drop_axis=list(range(1, X.ndim)),
        new_axis=list(range(1, empty.ndim)),
        chunks=(X.chunks[0], *((n,) for n in empty.shape[1:])),
        meta=empty,
    )


def answer(rows, estimator, name, empty):
    """What a method says of some rows; of none it would not know what they are."""
    return getattr(estimator, name)(rows) if n_samples_of(rows) else empty
