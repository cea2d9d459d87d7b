"""Frames of mixed columns: each kind to numbers and back, in families, detector and imputer."""

import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from discovery import DECODING, over, quick
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skae import Autoencoder, AutoencoderImputer, AutoencoderOutlierDetector
from skae.base.autoencoder import row_format_for
from skae.rows.columns import Columns
from skae.rows.kinds import Category, Clock, Day, Moment, Number, Unlearned

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=", "ignore:Column.*nearly every row")
N = 60
FAMILIES = [cls for cls in DECODING if Columns in cls._formats]


def columns():
    """A column of each kind, by the kind that it is expected to be."""
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 9, N)
    z = rng.normal(size=N)
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(int(i)) for i in whole * 30]
    return {
        Number: {
            "float64": z,
            "float32": z.astype(np.float32),
            "int64": whole,
            "Int64": pd.array(whole, dtype="Int64"),
            "uint8": whole.astype(np.uint8),
            "large": rng.integers(2**60, 2**62, N),
            "decimals": [decimal.Decimal(int(i)) / 8 for i in whole],
            "objects": pd.Series(whole.tolist(), dtype=object),
            "texts": [f"{x:.2f}" for x in z],
        },
        Category: {
            "bool": z > 0,
            "boolean": pd.array(z > 1, dtype="boolean"),
            "ordered": pd.Categorical(np.where(z > 0, "a", "b"), ["c", "b", "a"], ordered=True),
            "str": np.where(z > 0.5, "x", "y"),
            "codes": np.where(z > 0.5, "007", "042"),
            "mixed": pd.Series(["x" if x > 0 else 3 for x in z], dtype=object),
            "tuples": [(int(i), 1) for i in whole],
        },
        Moment: {
            "date": pd.date_range("2020-01-01", periods=N, freq="h"),
            "zone": pd.date_range("2020-01-01", periods=N, tz="Europe/Berlin"),
            "duration": pd.to_timedelta(whole * 1000, unit="s"),
            "period": pd.period_range("2020-01", periods=N, freq="M"),
        },
        Day: {"day": days},
        Clock: {"time": [datetime.time(int(i), 30) for i in whole]},
        Unlearned: {
            "uid": [f"row {i:04d}" for i in range(N)],
            "counter": np.arange(N) + 100,
            "numbers of rows": np.random.default_rng(1).permutation(N),
        },
    }


@pytest.fixture(scope="module")
def frame():
    frame = pd.DataFrame({name: c for kind in columns().values() for name, c in kind.items()})
    assert len(set(frame.dtypes.astype(str))) > 10
    return frame


@pytest.fixture(scope="module")
def table(frame):
    """The same in polars, as far as it has such kinds."""
    without = frame.drop(columns=["mixed", "tuples", "period", "zone", "objects"])
    as_lists = {
        name: c.to_numpy() if c.dtype.kind in "iufbmM" else c.tolist()
        for name, c in without.items()
    }
    table = pl.DataFrame(as_lists)
    date = pl.col("date").dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")
    return table.with_columns(
        pl.col("ordered").cast(pl.Enum(["c", "b", "a"])),
        pl.col("str").cast(pl.Categorical),
        date.alias("zone"),
    )


def with_holes(frame):
    """A tenth of the entries missing, but of what cannot be filled."""
    holes = np.random.default_rng(1).random(frame.shape) < 0.1
    fillable = [name not in columns()[Unlearned] for name in frame.columns]
    if isinstance(frame, pd.DataFrame):
        return frame.mask(holes & fillable)
    return frame.with_columns(
        [
            pl.when(pl.Series(holes[:, j] & fillable[j])).then(None).otherwise(pl.col(n)).alias(n)
            for j, n in enumerate(frame.columns)
        ]
    )


def format_of(frame, **settings):
    format = row_format_for(quick(Autoencoder, **settings), frame)
    assert isinstance(format, Columns)
    return format, format.learn(frame)


def test_each_column_is_of_its_kind(frame):
    format, _ = format_of(frame)
    found = dict(zip(frame.columns, map(type, format.kinds), strict=True))
    assert found == {name: kind for kind, of_kind in columns().items() for name in of_kind}


@pytest.mark.parametrize("which", ["frame", "table"])
def test_columns_become_numbers_and_come_back(which, request):
    X = request.getfixturevalue(which)
    format, rows = format_of(X)
    assert rows.dtype == float
    assert np.isfinite(rows).all()
    back = format.restore(rows, X)
    if which == "frame":
        pd.testing.assert_frame_equal(back, X, rtol=1e-9)
    else:
        assert back.schema == X.schema
        for name in X.columns:
            if X[name].dtype.is_float() or name == "large":  # whose last digits no float holds
                assert_allclose(back[name], X[name], rtol=1e-6)
            else:
                assert back[name].to_list() == X[name].to_list()


@pytest.mark.parametrize("which", ["frame", "table"])
@over(FAMILIES)
def test_every_dense_family_takes_a_frame_and_gives_one(cls, which, request):
    X = with_holes(request.getfixturevalue(which))
    estimator = quick(cls).fit(X)
    assert estimator.n_features_in_ == X.shape[1]
    assert np.isfinite(estimator.transform(X)).all()
    assert np.isfinite(estimator.score_samples(X)).all()
    for back in (estimator.reconstruct(X), estimator.inverse_transform(estimator.transform(X))):
        assert type(back) is type(X)
        assert list(back.columns) == list(X.columns)
        learned = [n for n in X.columns if n not in columns()[Unlearned]]
        assert not np.asarray(as_pandas(back[learned]).isna()).any()


def as_pandas(frame):
    return (
        frame if isinstance(frame, pd.DataFrame) else pd.DataFrame(frame.to_dict(as_series=False))
    )


def test_a_frame_of_numbers_is_a_table_as_ever(X):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    there, here = quick(Autoencoder).fit(frame), quick(Autoencoder).fit(X)
    assert_array_equal(there.transform(frame), here.transform(X))
    assert isinstance(there.reconstruct(frame), np.ndarray)


def test_each_column_counts_the_same_whatever_its_unit(frame):
    numbers = frame[["float64", "int64", "str"]]
    scaled = numbers.assign(float64=1e6 * numbers["float64"], int64=numbers["int64"] * 1000)
    one, other = (quick(Autoencoder).fit(X) for X in (numbers, scaled))
    assert_allclose(one.transform(numbers), other.transform(scaled), rtol=1e-4, atol=1e-5)
    assert_allclose(one.score_samples(numbers), other.score_samples(scaled), rtol=1e-4)


def test_scores_are_sums_over_columns():
    """Squared error in units of a column's variance, and surprise at a category in nats."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=N), "b": rng.choice(list("xyz"), N)})
    autoencoder = quick(Autoencoder, code_size=1, max_epochs=0).fit(X)
    format = autoencoder._format
    rebuilt = autoencoder._reconstruct(autoencoder._inputs(X))
    rows = format.rows(X)
    expected = (rows[:, 0] - rebuilt[:, 0]) ** 2 / X["a"].var(ddof=0)
    expected -= np.log(rebuilt[:, 1:][rows[:, 1:] == 1])
    assert_allclose(-autoencoder.score_samples(X), expected, rtol=1e-5)


def test_an_identifier_is_said_once_and_changes_nothing():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=N), "b": rng.choice(list("xyz"), N)})
    with pytest.warns(UserWarning, match=r"Column\(s\) \['id'\] of X differ in nearly every row"):
        there = quick(Autoencoder).fit(X.assign(id=[f"{i:x}" for i in range(1000, 1000 + N)]))
    here = quick(Autoencoder).fit(X)
    assert there.code_size_ == here.code_size_
    with_id = X.assign(id="any")
    assert_array_equal(there.transform(with_id), here.transform(X))
    assert_array_equal(there.reconstruct(with_id)["id"], with_id["id"])


def test_rare_categories_share_an_indicator():
    values = np.repeat(["a", "b", "c", "d"], [40, 10, 6, 4])
    X = pd.DataFrame({"v": values, "x": np.arange(N) % 7 + 0.5})
    format, rows = format_of(X, max_categories=3)
    assert format.kinds[0].width == 3
    assert format.restore(rows)["v"].tolist() == np.where(values == "d", "c", values).tolist()


def test_an_unknown_category_is_missing(frame):
    X = frame[["float64", "str"]]
    autoencoder = quick(Autoencoder).fit(X)
    new, missing = X.assign(str="never seen"), X.assign(str=None)
    assert_array_equal(autoencoder.transform(new), autoencoder.transform(missing))


def test_what_is_a_category_can_be_said(frame):
    X = frame[["int64", "str"]]
    said = {"names": ["int64"], "numbers": [0], "mask": [True, False]}
    formats = [format_of(X, categorical_features=value)[0] for value in said.values()]
    for format in formats:
        assert [type(kind) for kind in format.kinds] == [Category, Category]
    array = X.to_numpy(dtype=object)
    format, rows = format_of(array, categorical_features=[0, 1])
    assert_array_equal(format.restore(rows), array)


@pytest.mark.parametrize(
    ("column", "settings", "error", "match"),
    [
        ([["a"], ["b"]] * 30, {}, TypeError, "Column 'c' of X cannot be read: it holds list"),
        ([1j, 2.0] * 30, {}, ValueError, "Column 'c' of X.*complex"),
        ([np.inf, 2.0] * 30, {}, ValueError, "Column 'c' of X holds infinity"),
        ([None] * N, {}, ValueError, r"no observed entry in column\(s\) \['c'\]"),
        (["a", "b"] * 30, {"categorical_features": None}, ValueError, "Column 'b' of X.*name it"),
        (["a", "b"] * 30, {"categorical_features": ["d"]}, ValueError, "names.*'d'"),
        (["a", "b"] * 30, {"categorical_features": [7]}, ValueError, "numbers of columns below 3"),
        (["a", "b"] * 30, {"max_categories": 0}, ValueError, "max_categories"),
    ],
)
def test_errors_name_the_column(column, settings, error, match):
    X = pd.DataFrame({"a": np.arange(N) % 7 + 0.5, "b": ["u", "v"] * 30})
    X["c"] = pd.Series(column, dtype=object)
    with pytest.raises(error, match=match):
        quick(Autoencoder, **settings).fit(X)


def test_later_frames_are_held_against_that_of_fit(frame):
    X = frame[["float64", "str"]]
    autoencoder = quick(Autoencoder).fit(X)
    with pytest.raises(ValueError, match="Column 'float64' of X cannot be read: .*'many'"):
        autoencoder.transform(X.assign(float64="many"))
    with pytest.raises(ValueError, match="feature names"):
        autoencoder.transform(X[["str", "float64"]])
    doubled = pd.concat([X, X], axis=1)
    with pytest.raises(ValueError, match="unique column names.*\n.*float64"):
        quick(Autoencoder).fit(doubled)


def test_the_detector_explains_by_columns(frame):
    X = frame[["float64", "int64", "str", "date"]]
    detector = AutoencoderOutlierDetector(quick(Autoencoder)).fit(X)
    explained = detector.explain(X.iloc[:2])
    assert explained.index.get_level_values("feature").tolist() == [*X.columns] * 2
    assert explained.loc[0, "value"].loc["str"] == X["str"].iloc[0]
    shares = explained["share"].to_numpy(float).reshape(2, -1).sum(axis=1)
    assert_allclose(shares, -detector.score_samples(X.iloc[:2]), rtol=1e-6)


def test_a_pipeline_takes_a_raw_frame(frame):
    X = with_holes(frame.drop(columns=["bool"]))
    model = make_pipeline(quick(Autoencoder, code_size=8), LogisticRegression())
    assert model.fit(X, frame["bool"]).score(X, frame["bool"]) > 0.8


# -- the imputer --------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["frame", "table"])
def test_the_imputer_gives_the_same_frame_complete(which, request):
    whole = request.getfixturevalue(which)
    X = with_holes(whole)
    imputer = AutoencoderImputer(quick(Autoencoder), random_state=0).fit(X)
    filled, untouched = imputer.transform(X), imputer.transform(whole)
    if which == "frame":
        assert_array_equal(filled.dtypes, X.dtypes)
        assert not filled.isna().any(axis=None)
        for name in X:
            known = X[name].notna()
            assert filled[name][known].tolist() == X[name][known].tolist()
        pd.testing.assert_frame_equal(untouched, whole)
    else:
        assert filled.schema == X.schema
        assert sum(filled.null_count().row(0)) == 0
        assert untouched.equals(whole)


@pytest.mark.parametrize("mark", [None, np.nan, pd.NA, "?", -999])
def test_missing_entries_hide_behind_any_mark(mark, frame):
    names = ["objects", "str", "boolean"]
    X = frame[names].astype(object)
    holes = np.random.default_rng(2).random(X.shape) < 0.15
    expected = AutoencoderImputer(quick(Autoencoder), random_state=0).fit_transform(X.mask(holes))
    # a mark in the one half of the holes, and what pandas puts there in the other
    half = np.random.default_rng(3).random(X.shape) < 0.5
    marked = X.mask(holes & half).copy()
    for j, i in zip(*np.nonzero((holes & ~half).T), strict=True):
        marked.iat[i, j] = mark
    imputer = AutoencoderImputer(quick(Autoencoder), missing_values=mark, random_state=0)
    filled = imputer.fit_transform(marked)
    assert not filled.isna().any(axis=None)
    assert filled.astype(str).equals(expected.astype(str))


def test_columns_of_no_use_do_not_spoil_the_fills():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(300, 1))
    truth = a @ [[1.0, 2.0, -1.0]] + 0.1 * rng.normal(size=(300, 3))
    X = pd.DataFrame(truth.copy(), columns=list("abc"))  # before 3.0 pandas writes into it
    hidden = rng.random(300) < 0.3
    X.loc[hidden, "a"] = np.nan
    noisy = X.assign(
        id=[f"{i:x}" for i in rng.permutation(300)],
        number=rng.permutation(300),
        day=pd.date_range("2020", periods=300)[rng.permutation(300)],
    )
    noisy["b"] = noisy["b"].astype(object)

    def error(X):
        imputer = AutoencoderImputer(random_state=0).set_output(transform="pandas")
        filled = imputer.fit_transform(X)["a"][hidden]
        return np.sqrt(np.mean((filled - truth[hidden, 0]) ** 2))

    assert error(noisy) < 1.1 * error(X)


def test_an_identifier_with_holes_is_named():
    X = pd.DataFrame({"a": np.arange(N) % 5 + 0.5, "id": [f"u{i}" for i in range(N)]})
    X.loc[3, "id"] = None
    with pytest.raises(ValueError, match=r"Column\(s\) \['id'\] of X differ in nearly every row"):
        AutoencoderImputer(quick(Autoencoder)).fit(X)
