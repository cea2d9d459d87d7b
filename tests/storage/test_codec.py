"""Values as JSON and arrays: each comes back as it was."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.base import clone
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.preprocessing import StandardScaler

from skae.nn.convolutional import Fold
from skae.persistence import CLASSES
from skae.storage.codec import Reader, Writer
from skae.storage.kinds import CannotBeWritten

F_ORDERED = np.asfortranarray(np.arange(6.0).reshape(2, 3))


def there_and_back(value):
    writer = Writer()
    node = json.loads(json.dumps(writer.node(value, ("value",)), allow_nan=False))
    described = json.loads(json.dumps(writer.objects, allow_nan=False))
    arrays = {name: array.copy() for name, array in writer.arrays.items()}
    return Reader(described, arrays, CLASSES, {}).node(node)


def assert_as_it_was(back, value):
    assert type(back) is type(value)
    if isinstance(value, np.ndarray):
        assert back.dtype == value.dtype
        assert back.shape == value.shape
        assert back.flags.writeable
        if value.dtype == object:
            for one, other in zip(back.ravel(), value.ravel(), strict=True):
                assert_as_it_was(one, other)
        else:
            np.testing.assert_array_equal(back, value)
    elif isinstance(value, list | tuple):
        assert len(back) == len(value)
        for one, other in zip(back, value, strict=True):
            assert_as_it_was(one, other)
    elif isinstance(value, dict):
        assert_as_it_was(list(back.items()), list(value.items()))
    elif sp.issparse(value):
        assert back.format == value.format
        assert back.dtype == value.dtype
        np.testing.assert_array_equal(back.toarray(), value.toarray())
    elif isinstance(value, torch.Tensor):
        assert back.dtype == value.dtype
        assert back.equal(value)
    elif isinstance(value, slice):
        assert_as_it_was([back.start, back.stop, back.step], [value.start, value.stop, value.step])
    elif isinstance(value, float | np.floating) and math.isnan(value):
        assert math.isnan(back)
    elif value is not pd.NA:
        assert back == value
        assert str(back) == str(value)  # -0.0


VALUES = [
    None,
    True,
    10**30,
    -0.0,
    0.1,
    math.inf,
    math.nan,
    5e-324,
    "é\ud800 \x00",
    b"\x80\x04",
    [],
    (),
    [1, [2.0, ("a", None)]],
    [0.1 * i for i in range(40)],
    [*([0.5] * 40), math.nan],
    {"a": 1, "b": {"c": (1,)}},
    {"$": 1},
    {1: "a", (2, "b"): [3], None: 4, 2.5: {}},
    {1, 2},
    slice(None, 3),
    slice(np.int64(1), 2, -1),
    np.float64(1.5),
    np.float32(0.1),
    np.float64("nan"),
    np.bool_(True),
    np.int8(-3),
    np.str_("text"),
    np.datetime64("2020-01-01", "25us"),
    np.timedelta64(3, "D"),
    np.array(3.5),
    np.zeros((0, 3)),
    np.arange(6).reshape(2, 3)[:, ::-1],
    F_ORDERED,
    np.array([math.nan, -0.0], dtype=np.float16),
    np.array([True, False]),
    np.array(["a", "bcd"]),
    np.array(["a", "b"], dtype="U9"),
    np.array([b"a", b"bc"]),
    np.array([], dtype="U3"),
    np.array(["a", "a long text"], dtype=np.dtypes.StringDType()),
    np.array(["2020-01", "NaT"], dtype="M8[M]"),
    np.array([1, None, "a", math.nan, np.float32(2), (1, 2), pd.NA], dtype=object),
    np.array([[None, "b"]], dtype=object),
    np.dtype("float32"),
    np.dtype("<M8[ns]"),
    np.float64,
    np.str_,
    float,
    object,
    np.log1p,
    sp.csr_array(np.eye(3)),
    sp.csc_matrix(np.eye(3, dtype=np.float32)),
    sp.coo_array(np.eye(2)),
    torch.arange(3.0),
    torch.device("cuda:1"),
    torch.optim.AdamW,
    pd.NA,
    Fold(2, (3, 4), True),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__} {value}"[:40])
def test_values_come_back_as_they_were(value):
    assert_as_it_was(there_and_back(value), value)


def test_arrays_of_the_other_byte_order_hold_the_same_numbers():
    value = np.array([1, 2], dtype=">i4")
    assert_as_it_was(there_and_back(value), value.astype(np.int32))


def test_the_order_in_memory_is_kept():
    back = there_and_back(F_ORDERED)
    assert back.flags.f_contiguous
    assert not back.flags.c_contiguous


def test_generators_go_on_where_they_were():
    state = np.random.RandomState(3)  # noqa: NPY002
    state.normal()
    assert there_and_back(state).normal() == state.normal()
    generator = np.random.default_rng(3)
    generator.random(5)
    assert there_and_back(generator).random() == generator.random()


def test_what_is_one_object_stays_one():
    array, scaler = np.arange(3.0), StandardScaler()
    first, second, third = there_and_back([array, array, array.copy()])
    assert first is second
    assert first is not third
    first, second = there_and_back([scaler, {"again": scaler}])
    assert first is second["again"]
    writer = Writer()
    writer.node([F_ORDERED, F_ORDERED, array, array])
    assert len(writer.arrays) == 2


@pytest.mark.parametrize(
    "value",
    [
        lambda: None,
        open,
        np.load,
        pytest,
        torch.nn.Linear(1, 1),
        torch.nn.Linear,
        np.ma.array([1], mask=[True]),
        np.zeros(1, dtype="f8,f8"),
        np.array([1j]),
        pd.Series([1]),
        type("Own", (), {})(),
        StandardScaler,
        1j,
        np.random.default_rng,
        np.array([lambda: None], dtype=object),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_written_is_named(value):
    with pytest.raises(CannotBeWritten, match="a__0__b is of type .*without code cannot hold"):
        Writer().node({"a": [{"b": value}]})


@pytest.mark.parametrize("covariance_type", ["full", "diag", "tied", "spherical"])
@pytest.mark.parametrize("cls", [GaussianMixture, BayesianGaussianMixture])
def test_of_a_mixture_what_follows_from_its_covariances_is_made_anew(cls, covariance_type):
    rows = np.random.default_rng(0).normal(size=(60, 5)) * [1, 2, 3, 1e-3, 1e3]
    settings = {"covariance_type": covariance_type, "reg_covar": 1e-8, "random_state": 0}
    mixture = cls(n_components=2, **settings).fit(rows)
    writer = Writer()
    writer.node(mixture, ())
    assert ("precisions_" in writer.arrays) == (covariance_type in ("tied", "spherical"))
    back = there_and_back(mixture)
    for name, learned in vars(mixture).items():
        np.testing.assert_array_equal(getattr(back, name), learned)
    np.testing.assert_array_equal(back.score_samples(rows), mixture.score_samples(rows))
    assert_as_it_was(there_and_back(clone(mixture)).get_params(), mixture.get_params())


def test_a_mixture_whose_covariances_are_none_is_an_error():
    mixture = GaussianMixture(2, random_state=0).fit(np.random.default_rng(0).normal(size=(20, 3)))
    mixture.covariances_ = -mixture.covariances_
    with pytest.raises(ValueError, match="covariances that are none"):
        there_and_back(mixture)
