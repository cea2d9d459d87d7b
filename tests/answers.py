"""All that a fitted estimator says of rows, by the public methods that it has."""

import inspect

import numpy as np
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from skae.streams import Blocks

# Methods that train, describe or configure, or are of files.
SILENT = {
    "calibrate",
    "compress_blocks",
    "decompress_blocks",
    "fit",
    "fit_predict",
    "fit_transform",
    "from_layers",
    "get_metadata_routing",
    "get_params",
    "fit_series",
    "partial_fit",
    "save",
}
# What estimators say that cannot answer: also an answer, which must be the same.
REFUSALS = (AttributeError, NotFittedError, ValueError)


def arguments(estimator, X):
    """Arguments of the public methods, by name."""
    n_codes = getattr(estimator, "code_size_", 1)
    labels = np.array(["a", "b"] * len(X))[: len(X)]
    known = {"X": X, "x": X[0], "a": X[0], "b": X[1], "y": labels, "unit": 0, "values": [0.5, 1.5]}
    known.update(direction=np.linspace(-1, 1, n_codes), users=[0, 1, 1], items=[0, 0, 2])
    known.update(random_state=0, n_items=1, k=2)
    if hasattr(estimator, "compress"):
        known["content"] = estimator.compress(X)
    return known


def public_methods(estimator):
    """Names of the methods that answer."""
    names = [name for name in dir(type(estimator)) if not name.startswith("_")]
    names = [name for name in names if callable(getattr(estimator, name, None))]
    silent = SILENT | set(estimator.get_params(deep=False))  # of which some are functions
    return [name for name in names if name not in silent and not name.startswith("set_")]


def everything_said(estimator, X):
    """Answers of all public methods, and the public fitted attributes, by name."""
    said = {}
    known = arguments(estimator, X)
    for name in public_methods(estimator):
        method = getattr(estimator, name)
        wanted = inspect.signature(method).parameters.values()
        wanted = [p for p in wanted if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        unknown = [p.name for p in wanted if p.default is p.empty and p.name not in known]
        assert not unknown, f"{name} takes {unknown}: say in answers.py what these may be"
        given = {p.name: known[p.name] for p in wanted if p.name in known}
        if name == "inverse_transform":
            given["X"] = estimator.transform(X)
        try:
            answer = method(**given)
            said[name] = list(answer) if isinstance(answer, Blocks) else answer
        except REFUSALS as refusal:
            said[name] = repr(refusal)
    names = [name for name in dir(estimator) if name.endswith("_") and not name.endswith("__")]
    for name in names:
        if not name.startswith("_"):
            said[name] = as_plain(getattr(estimator, name))
    return said


def as_plain(value):
    """An attribute without its class, where that has no equality."""
    if hasattr(value, "module_"):  # a net
        return {name: tensor.cpu().numpy() for name, tensor in value.module_.state_dict().items()}
    if isinstance(value, BaseEstimator):
        return {name: as_plain(part) for name, part in vars(value).items() if name.endswith("_")}
    if isinstance(value, list | tuple):
        return [as_plain(part) for part in value]
    if type(value).__module__.startswith("skae."):
        return {name: as_plain(part) for name, part in vars(value).items()}
    return value


def assert_equal(first, second, name=""):
    """The same types and the same bits, however deep."""
    assert type(first) is type(second), name
    if isinstance(first, dict):
        assert first.keys() == second.keys(), name
        for key in first:
            assert_equal(first[key], second[key], f"{name}.{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), name
        for i, (one, other) in enumerate(zip(first, second, strict=True)):
            assert_equal(one, other, f"{name}.{i}")
    elif hasattr(first, "equals"):
        assert first.equals(second), name
    elif hasattr(first, "toarray"):
        assert_equal(first.toarray(), second.toarray(), name)
    elif isinstance(first, np.ndarray):
        assert first.dtype == second.dtype, name
        assert_array_equal(first, second, err_msg=name)
    else:
        assert first == second or first != first, name
