"""Fitted estimators as graphs of ONNX, which answer without skae, scikit-learn and torch.

Importing this module also tells `skl2onnx <https://onnx.ai/sklearn-onnx>`_, if it is installed,
how the estimators of skae are converted, so that ``skl2onnx.to_onnx(pipeline, X)`` takes Pipelines
with them.
"""

from importlib.util import find_spec

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .export.methods import METHODS, OF_CODES
from .persistence import ESTIMATORS

__all__ = ["to_onnx"]

NEEDED = ("onnx", "onnxscript", "skl2onnx")


def to_onnx(estimator, method="transform", *, X=None, dtype=np.float32):
    """The graph of a method of a fitted estimator, as a model of ONNX.

    It takes any number of rows, as the method does: in the units of X, with NaN for missing entries
    if the estimator takes them. All that `fit` has learned is in it. Of an estimator that was
    fitted to a frame of mixed columns, each column is an input.

    Parameters
    ----------
    estimator : estimator
        A fitted autoencoder, outlier detector, classifier, regressor or imputer of skae, or a
        Pipeline that ends in one.
    method : str or list of str, default="transform"
        "transform", "inverse_transform", "reconstruct", "score_samples", "decision_function",
        "predict" or "predict_proba". Of several, but for "inverse_transform", the graph has an
        output for each.
    X : array-like, default=None
        Some rows, for a Pipeline: of a frame, each column is an input of the graph, of its name and
        type. None: the graph has one input, an array of numbers.
    dtype : numpy.dtype, default=numpy.float32
        Precision of what is given and of the answers, float32 or float64.

    Returns
    -------
    model : onnx.ModelProto
        With one input "X" (or "codes"), or those of the columns of a frame, and an output for each
        method, of its name. Write it by ``model.SerializeToString()``.

        Columns have shape (n, 1). Texts and categories of texts are strings, "" where they are
        missing; dates, times and durations are float64, in seconds since 1970, of the day, or of
        the duration (a date without a time in days, as ``date.toordinal``); all others are numbers
        of ``dtype``, NaN where they are missing, True is 1. Methods that give back rows have an
        output for each column, named as in "reconstruct_age". What is not learned from, such as an
        identifier, is neither.

    Raises
    ------
    ImportError
        If the packages of ``skae[onnx]`` are not installed.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    NotImplementedError
        If it cannot be exported, with the reason.
    ValueError
        If there is no such method or precision.

    Notes
    -----
    Rows are not checked as the methods of the estimator do: infinite entries or counts below zero
    are no errors.

    Operators that onnxruntime has in float32 only (convolutions, recurrent cells) are computed in
    float32, whatever the precision of the rows.

    A detector with ``method="neighbors"`` has its reference rows in the graph, in float64.

    Examples
    --------
    >>> import onnxruntime
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skae import Autoencoder
    >>> from skae.onnx import to_onnx
    >>> X = load_wine().data.astype("float32")
    >>> pipeline = make_pipeline(StandardScaler(), Autoencoder(2, random_state=0)).fit(X)
    >>> model = to_onnx(pipeline, ["transform", "score_samples"])
    >>> session = onnxruntime.InferenceSession(model.SerializeToString())
    >>> codes, scores = session.run(None, {"X": X})
    >>> bool(abs(codes - pipeline.transform(X)).max() < 1e-4)
    True
    """
    methods = (method,) if isinstance(method, str) else tuple(method)
    check_methods(methods)
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {dtype}.")
    check_installed()
    check_is_fitted(estimator)
    import torch

    from .export.graphs import graph_of

    if isinstance(estimator, Pipeline) and methods[0] not in OF_CODES:
        from .export.skl import graph_of_pipeline

        return graph_of_pipeline(estimator, methods, X, dtype)
    return graph_of(estimator, methods, getattr(torch, dtype.name))


def check_methods(methods):
    """Whether these can be outputs of one graph."""
    unknown = [method for method in methods if method not in METHODS]
    if unknown or not methods:
        raise ValueError(f"method must be of {list(METHODS)}, got {unknown or list(methods)}.")
    if len(set(methods)) < len(methods):
        raise ValueError(f"method names one twice: {list(methods)}.")
    if len(methods) > 1 and set(methods) & set(OF_CODES):
        raise ValueError(
            f"{OF_CODES[0]} takes codes, and the other methods take rows: a graph has either."
        )


def check_installed():
    """Whether the packages that write graphs are there."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"Graphs of ONNX are made by {', '.join(NEEDED)}, of which {', '.join(missing)} is not "
            "installed: pip install 'skae[onnx]'."
        )


if all(find_spec(name) is not None for name in NEEDED):
    from .export.skl import register

    register(ESTIMATORS)
