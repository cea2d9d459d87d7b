"""Borderline rows, codes and values of parameters: what users hand in that nobody expects."""

import datetime
import decimal
import pathlib

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
import torch
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from skorch.callbacks import GradientNormClipping

from skae import Autoencoder

N_ROWS, N_COLUMNS = 24, 6
FORMATS_OF_SCIPY = ["csr", "csc", "coo", "lil", "dok", "dia", "bsr"]
DTYPES = [
    *(np.bool_, np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64),
    *(np.float16, np.float32, np.float64, np.longdouble, np.complex64),
    *(object, "U8", "S8", ">f8", ">i4", "M8[D]", "m8[s]"),
]


def table(rng, n_rows=N_ROWS, n_columns=N_COLUMNS):
    """Rows near a plane, as positive as the unit interval asks for."""
    X = rng.random((n_rows, 2)) @ rng.random((2, n_columns)) / 2
    return np.round(X + 0.05 * rng.random((n_rows, n_columns)), 6)


def with_entries(rng, X, *values):
    """X with some of its entries replaced."""
    X = X.copy()
    for _ in range(int(rng.integers(1, 5))):
        X[rng.integers(len(X)), rng.integers(X.shape[1])] = values[rng.integers(len(values))]
    return X


def with_column(rng, X, column):
    X = X.copy()
    X[:, rng.integers(X.shape[1])] = column
    return X


def frame(rng, X):
    """A frame of pandas, its names and kinds of columns at random."""
    names = [
        list("abcdef"),
        [0, 1, 2, 3, 4, 5],
        ["a", "a", "b", "c", "d", "e"],
        ["a", 1, "b", 2, "c", None],
        [("a", i) for i in range(6)],
        [f"a{i}" * 40 for i in range(6)],
    ]
    made = pd.DataFrame(X, columns=names[rng.integers(len(names))][: X.shape[1]])
    kinds = [
        *(None, "Float64", "Int64", "boolean", "string", "category", "object", "float32"),
        *("datetime64[ns]", "timedelta64[ns]", "complex128", "Sparse[float]"),
    ]
    for j in range(int(rng.integers(0, 3))):
        kind = kinds[rng.integers(len(kinds))]
        column = made.iloc[:, j]
        try:
            column = (10 * column).round().astype(kind) if kind else column
        except (TypeError, ValueError):
            continue
        rest = [made.iloc[:, i] if i != j else column for i in range(made.shape[1])]
        made = pd.concat(rest, axis=1)
    if rng.random() < 0.3:
        made.index = rng.permutation(len(made)) + 100
    return made


def of_polars(rng, X):
    made = pl.DataFrame({f"c{j}": X[:, j] for j in range(X.shape[1])})
    kinds = [pl.Int64, pl.Float32, pl.String, pl.Boolean, pl.Date, pl.Categorical]
    kinds.append(pl.Decimal(10, 2))
    if rng.random() < 0.7:
        kind = kinds[rng.integers(len(kinds))]
        column = (10 * pl.col("c0")).round()
        if kind in (pl.Date, pl.Boolean):
            column = column.cast(pl.Int32)
        if kind is pl.Categorical:
            column = column.cast(pl.String)
        made = made.with_columns(column.cast(kind))
    return made.lazy() if rng.random() < 0.2 else made


def odd_rows(rng, X):
    """Something like X, and its name."""
    n, d = X.shape
    makers = {
        "as it is": lambda: X,
        "list": lambda: X.tolist(),
        "list of arrays": lambda: list(X),
        "tuple of tuples": lambda: tuple(map(tuple, X.tolist())),
        "ragged list": lambda: [row[: rng.integers(1, d + 1)].tolist() for row in X],
        "ragged array": lambda: as_objects([row[: rng.integers(1, d + 1)] for row in X]),
        "an empty sequence in a list": lambda: [[], *X.tolist()],
        "nested too deep": lambda: [[[v] for v in row] for row in X.tolist()],
        "generator": lambda: (row for row in X),
        "range": lambda: range(5),
        "memoryview": lambda: memoryview(np.ascontiguousarray(X)),
        "string": lambda: "abc",
        "strings": lambda: ["abc", "ab"],
        "dict": lambda: {"a": X[:, 0], "b": X[:, 1]},
        "None": lambda: None,
        "number": lambda: 3.0,
        "0-d": lambda: np.array(3.0),
        "1-d": lambda: X[:, 0],
        "a single row": lambda: X[0],
        "3-d": lambda: X[:, : d // 2 * 2].reshape(n, d // 2, 2),
        "4-d": lambda: X[:, : d // 2 * 2].reshape(n, d // 2, 2, 1),
        "no rows": lambda: X[:0],
        "no columns": lambda: X[:, :0],
        "nothing": lambda: np.zeros((0, 0)),
        "empty list": lambda: [],
        "empty lists": lambda: [[], []],
        "one row": lambda: X[:1],
        "two rows": lambda: X[:2],
        "one column": lambda: X[:, :1],
        "fewer columns": lambda: X[:, : d - 1],
        "more columns": lambda: np.hstack([X, X]),
        "duplicates": lambda: np.repeat(X[:2], 12, axis=0),
        "one row many times": lambda: np.repeat(X[:1], n, axis=0),
        "constant": lambda: np.full_like(X, rng.choice([0.0, 1.0, -3.0, 1e-300, 1e30])),
        "constant column": lambda: with_column(rng, X, 1.0),
        "nearly constant column": lambda: with_column(rng, X, 1 + 1e-15 * rng.random(n)),
        "column of NaN": lambda: with_column(rng, X, np.nan),
        "row of NaN": lambda: np.vstack([X[1:], np.full((1, d), np.nan)]),
        "nothing but NaN": lambda: np.full_like(X, np.nan),
        "NaN": lambda: with_entries(rng, X, np.nan),
        "infinite": lambda: with_entries(rng, X, np.inf, -np.inf),
        "huge": lambda: with_entries(rng, X, 1e300, -1e300, 1e150),
        "large": lambda: with_entries(rng, X, 1e19, 3e38, -1e25),
        "tiny": lambda: with_entries(rng, X, 1e-300, 5e-324, -0.0),
        "all huge": lambda: X * 10.0 ** rng.integers(20, 308),
        "all tiny": lambda: X * 10.0 ** -rng.integers(20, 323),
        "columns of all sizes": lambda: X * 10.0 ** rng.integers(-30, 30, d),
        "far from zero": lambda: X + 10.0 ** rng.integers(3, 17),
        "negative": lambda: -X,
        "dtype": lambda: (100 * X).astype(DTYPES[rng.integers(len(DTYPES))]),
        "large integers": lambda: np.full(X.shape, 2**63, "u8") + np.arange(d, dtype="u8"),
        "integers beyond 64 bits": lambda: [[2**70, *row[1:]] for row in X.tolist()],
        "objects": lambda: with_entries(
            rng, X.astype(object), None, "a", "", "3", 2**2000, [1], {}
        ),
        "decimals": lambda: [[decimal.Decimal(str(v)) for v in row] for row in X.tolist()],
        "dates": lambda: [[datetime.date(2020, 1, 1 + i % 20)] * d for i in range(n)],
        "booleans in a list": lambda: (X > 0.3).tolist(),
        "Fortran order": lambda: np.asfortranarray(X),
        "negative strides": lambda: X[::-1, ::-1],
        "every other": lambda: np.repeat(X, 2, axis=1)[:, ::2],
        "read-only": lambda: read_only(X),
        "broadcast": lambda: np.broadcast_to(X[:1], X.shape),
        "not aligned": lambda: not_aligned(X),
        "masked": lambda: np.ma.array(X, mask=rng.random(X.shape) < 0.2),
        "masked whole": lambda: np.ma.array(X, mask=True),
        "structured": lambda: np.zeros(n, dtype=[("a", float), ("b", int)]),
        "matrix": lambda: np.asmatrix(X),
        "sparse": lambda: sparse(rng, X),
        "sparse and empty": lambda: sp.csr_array((n, d)),
        "sparse of no rows": lambda: sp.csr_array((0, d)),
        "sparse NaN": lambda: sp.csr_array(with_entries(rng, X, np.nan, np.inf)),
        "sparse out of bounds": lambda: out_of_bounds(X),
        "sparse with duplicates": lambda: sp.coo_array(
            (np.ones(4), ([0, 0, 1, 2], [0, 0, 1, 2])), shape=(n, d)
        ),
        "tensor": lambda: torch.from_numpy(X.copy()),
        "tensor with gradients": lambda: torch.from_numpy(X.copy()).requires_grad_(),
        "tensor of bfloat16": lambda: torch.from_numpy(X.copy()).bfloat16(),
        "sparse tensor": lambda: torch.from_numpy(X.copy()).to_sparse(),
        "meta tensor": lambda: torch.zeros(n, d, device="meta"),
        "pandas": lambda: frame(rng, X),
        "pandas, with holes": lambda: frame(rng, with_entries(rng, X, np.nan)),
        "pandas, no rows": lambda: frame(rng, X)[:0],
        "pandas, no columns": lambda: pd.DataFrame(index=range(n)),
        "series": lambda: pd.Series(X[:, 0]),
        "series of rows": lambda: pd.Series(list(X)),
        "polars": lambda: of_polars(rng, X),
        "polars series": lambda: pl.Series(X[:, 0]),
    }
    name = list(makers)[rng.integers(len(makers))]
    return name, makers[name]()


def as_objects(rows):
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    return array


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def not_aligned(X):
    buffer = np.zeros(X.nbytes + 1, dtype=np.uint8)
    moved = buffer[1:].view(X.dtype).reshape(X.shape)
    moved[:] = X
    return moved


def sparse(rng, X):
    X = np.where(rng.random(X.shape) < 0.5, X, 0)
    kind = FORMATS_OF_SCIPY[rng.integers(len(FORMATS_OF_SCIPY))]
    dtype = [np.float64, np.float32, np.int64, np.bool_][rng.integers(4)]
    return (sp.csr_matrix if rng.random() < 0.5 else sp.csr_array)(X.astype(dtype)).asformat(kind)


def out_of_bounds(X):
    matrix = sp.csr_array(X)
    matrix.indices[:1] = 2 * X.shape[1]
    return matrix


class Strange:
    """An object of no use."""

    def __repr__(self):
        return "Strange()"


def odd_values():
    """Values that no parameter, or another one, asks for."""
    nan, inf = float("nan"), float("inf")
    return [
        *(None, True, False, ..., Strange(), NotImplemented),
        *(0, 1, -1, 2, 3, 7, 10**9, -(10**9), 2**63, 2**100),
        *(0.0, -0.0, 0.5, 1.0, 1.5, -0.5, 1e-320, 1e300, nan, inf, -inf, 1 + 2j),
        *(np.float32(0.5), np.float64("nan"), np.int64(3), np.bool_(True), np.str_("a")),
        *(decimal.Decimal("0.5"), datetime.date(2020, 1, 1)),
        *("", "a", "auto", "mean", "pca", "relu", "gaussian", "cuda", "meta", "cpu", b"a"),
        *([], [1], [[1]], [None], (), (3,), (3, 2), (0,), (-1,), (True,), (1.5,), ("a",)),
        *((10**9,), (nan,), {}, {"a": 1}, {"lr": 1}, {"foreach": True}, {"weight_decay": "a"}),
        *({1}, range(3), slice(None), [0.5, 0.5], (0.5, inf), [True, False], ["a", "b"]),
        *(np.array(3), np.array([4]), np.array([1, 2]), np.array([]), np.zeros((2, 2))),
        *(np.array(["a"]), np.array([nan, 1.0]), np.arange(N_ROWS), np.ones(N_ROWS)),
        *(np.full(N_ROWS, nan), np.array(["a", "b"] * (N_ROWS // 2)), np.ones((N_ROWS, 2))),
        *(int, list, print, len, lambda x: x, lambda *a: None, lambda p: nan),
        *(torch.nn.Linear, torch.nn.Linear(6, 3), torch.nn.ReLU, torch.nn.ReLU()),
        *(torch.tensor(3), torch.tensor([1.0]), torch.device("cpu"), torch.device("meta")),
        *(torch.optim.SGD, torch.optim.LBFGS, torch.optim.SparseAdam),
        *(np.random.RandomState(0), np.random.default_rng(0), GaussianMixture(), PCA(2)),
        *(Autoencoder(2), [Autoencoder(2)], Autoencoder, [GradientNormClipping(1.0)]),
        *((GradientNormClipping(1.0),), [GradientNormClipping], pd.Series([1, 2])),
        *(pd.DataFrame({"a": [1, 2]}), pathlib.Path("a"), sp.csr_array((2, 2))),
    ]
