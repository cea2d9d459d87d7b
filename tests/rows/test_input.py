"""Bad input: a message that names what is wrong, or a result that can be used."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import SHORT
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder, MultinomialVariationalAutoencoder

METHODS = ["transform", "score_samples", "score", "decision_function", "predict"]
NAMES = ["a", "b", "c", "d", "e", "f"]

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")
no_warnings = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def ae(X):
    return Autoencoder(**SHORT).fit(X)


@pytest.fixture(scope="module")
def frame(X):
    return pd.DataFrame(X, columns=NAMES)


def assert_usable(estimator, X):
    codes = estimator.transform(X)
    assert np.isfinite(codes).all()
    assert np.isfinite(estimator.inverse_transform(codes)).all()
    assert np.isfinite(estimator.score_samples(X)).all()
    assert np.isfinite(estimator.offset_)


# -- parameters ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("code_size", value) for value in (0, -1, 1.5, 1.0, 0.0, -0.5, "a", np.nan, [2])),
        *(("hidden_layer_sizes", value) for value in (0, -3, (0,), (8, -1), (2.5,), ("a",), "a")),
        *((name, "nonsense") for name in ("activation", "code_activation", "output_activation")),
        *((name, "nonsense") for name in ("loss", "optimizer", "lr_schedule", "shortcut")),
        ("activation", None),
        ("encoder", "nonsense"),
        ("decoder", 3),
        ("tied_weights", "yes"),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("lr", 0.0),
        ("lr", -1e-3),
        ("weight_decay", -1.0),
        ("optimizer_params", [("betas", (0.9, 0.9))]),
        ("batch_size", 0),
        ("batch_size", 2.5),
        ("max_epochs", -1),
        ("max_epochs", None),
        ("early_stopping", "yes"),
        ("validation_fraction", 0.0),
        ("validation_fraction", 1.0),
        ("n_iter_no_change", 0),
        ("tol", -0.1),
        ("tol", 1.0),
        ("refit", "yes"),
        ("warm_start", "yes"),
        ("contamination", 0.0),
        ("contamination", 0.6),
        ("callbacks", "nonsense"),
        ("device", 3),
        ("verbose", -1),
        ("random_state", "nonsense"),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_parameters_out_of_range(name, value, method, X):
    with pytest.raises(ValueError, match=name):
        getattr(Autoencoder(**{**SHORT, name: value}), method)(X)


def test_the_values_that_there_are_are_named(X):
    for name, one in [("activation", "silu"), ("loss", "huber"), ("optimizer", "adamw")]:
        with pytest.raises(ValueError, match=one):
            Autoencoder(**{name: "nonsense"}).fit(X)


def test_unknown_devices_are_named(X):
    with pytest.raises(ValueError, match="device='nonsense'"):
        Autoencoder(**SHORT, device="nonsense").fit(X)


def test_optimizer_params_that_the_optimizer_does_not_have(X):
    with pytest.raises((TypeError, ValueError), match="momenta"):
        Autoencoder(**SHORT, optimizer_params={"momenta": 0.9}).fit(X)


def test_a_float_code_size_works_without_a_shortcut(X):
    ae = Autoencoder(**{**SHORT, "code_size": 0.9, "shortcut": None}).fit(X)
    assert ae.transform(X).shape == (80, ae.code_size_)


def test_binary_cross_entropy_refuses_other_outputs(unit_X):
    settings = {**SHORT, "loss": "binary_cross_entropy", "output_activation": "relu"}
    with pytest.raises(ValueError, match="output_activation='sigmoid'"):
        Autoencoder(**settings).fit(unit_X)


@pytest.mark.parametrize("bad", [-0.1, 1.1])
def test_binary_cross_entropy_refuses_rows_outside_zero_and_one(bad, unit_X):
    X = unit_X.copy()
    X[3, 2] = bad
    ae = Autoencoder(**SHORT, loss="binary_cross_entropy")
    with pytest.raises(ValueError, match=rf"binary_cross_entropy.* needs X in \[0, 1\].*{bad}"):
        ae.fit(X)
    with pytest.raises(ValueError, match="squared_error"):  # says what to do
        ae.partial_fit(X)


@pytest.mark.parametrize("bad", [-0.1, 1.1])
def test_new_rows_a_little_outside_are_taken_for_the_nearest_end(bad, unit_X):
    """As scalers give them: what is further away is in another unit."""
    ae = Autoencoder(**SHORT, loss="binary_cross_entropy").fit(unit_X)
    X = unit_X[:5].copy()
    X[3, 2] = bad
    rebuilt = ae.reconstruct(X)
    target = X.clip(0, 1)
    expected = target * np.log(rebuilt) + (1 - target) * np.log(1 - rebuilt)
    assert_allclose(ae.score_samples(X), expected.sum(axis=1), rtol=1e-4)
    X[3, 2] = 30 * bad
    with pytest.raises(ValueError, match="binary_cross_entropy"):
        ae.score_samples(X)


def test_binary_cross_entropy_takes_what_it_gives(unit_X):
    ae = Autoencoder(**SHORT, loss="binary_cross_entropy").fit(unit_X)
    for dtype in (np.float32, np.float64):
        extreme = ae.inverse_transform(1e3 * ae.transform(unit_X.astype(dtype)))
        assert np.isfinite(ae.score_samples(extreme)).all()


# -- few rows, few columns, nothing to learn ----------------------------------------------------


@no_warnings
@pytest.mark.parametrize("code_size", [None, 1, 2, 9, 0.9])
def test_one_row(code_size, X):
    ae = Autoencoder(code_size, random_state=0).fit(X[:1])
    assert_usable(ae, X[:1])
    assert_allclose(ae.inverse_transform(ae.transform(X[:1])), X[:1], atol=1e-3)


@no_warnings
@pytest.mark.parametrize("code_size", [None, 1, 3, 0.9])
def test_one_column(code_size, X):
    ae = Autoencoder(code_size, hidden_layer_sizes=(8,), random_state=0).fit(X[:, :1])
    assert_usable(ae, X[:, :1])
    assert_allclose(ae.inverse_transform(ae.transform(X[:, :1])), X[:, :1], atol=0.05)


@no_warnings
def test_a_constant_column(X):
    X = np.column_stack([X, np.full(80, 7.0), np.zeros(80)])
    ae = Autoencoder(2, hidden_layer_sizes=(8,), random_state=0).fit(X)
    assert_usable(ae, X)
    back = ae.inverse_transform(ae.transform(X))
    assert_allclose(back[:, 6:], X[:, 6:], atol=0.1 * ae.scale_)
    # one that first varies after fit is an outlier
    assert ae.predict(X[:1] + 5.0 * (np.arange(8) == 6))[0] == -1


@no_warnings
@pytest.mark.parametrize("constant", [0.0, 1.0, 123456.789, -1e-9])
@pytest.mark.parametrize("code_size", [2, 0.9])
def test_nothing_but_constant_columns(constant, code_size):
    X = np.full((20, 4), constant)
    ae = Autoencoder(code_size, hidden_layer_sizes=(8,), random_state=0).fit(X)
    assert_usable(ae, X)
    assert_allclose(ae.inverse_transform(ae.transform(X)), X, rtol=1e-6)


@no_warnings
def test_one_row_many_times(X):
    X = np.repeat(X[:1], 30, axis=0)
    ae = Autoencoder(2, hidden_layer_sizes=(8,), random_state=0).fit(X)
    assert_allclose(ae.inverse_transform(ae.transform(X)), X, atol=1e-5)


@no_warnings
@pytest.mark.parametrize("n_rows", [2, 9, 10, 11])
def test_few_rows(n_rows, X):
    assert_usable(Autoencoder(2, random_state=0).fit(X[:n_rows]), X)


@pytest.mark.parametrize("n_rows", [32 + 1, 17])
def test_a_last_batch_of_one_row(n_rows, X):
    assert_usable(Autoencoder(**SHORT, batch_size=16).fit(X[:n_rows]), X)


# -- entries that are not finite numbers --------------------------------------------------------


def test_rows_without_an_entry(X):
    X = X.copy()
    X[[4, 11]] = np.nan
    message = r"2 row\(s\) .* no observed entry .* row 4"
    with pytest.warns(UserWarning, match=message):
        ae = Autoencoder(**SHORT).fit(X)
    with pytest.warns(UserWarning, match=message):
        scores = ae.score_samples(X)
    assert np.isfinite(scores).all()
    assert scores[4] == scores[11] == scores.max() == 0
    with pytest.warns(UserWarning, match=message):
        codes = ae.transform(X)
    # they are taken for the mean of the training rows
    assert_allclose(codes[4], ae.transform(np.nanmean(X, axis=0)[None])[0], atol=1e-6)


@pytest.mark.parametrize("method", ["fit", "partial_fit", "transform", "score"])
def test_warnings_point_at_the_line_of_the_user(method, X):
    ae = Autoencoder(**SHORT).fit(X)
    X = X.copy()
    X[4] = np.nan
    with pytest.warns(UserWarning, match="no observed entry") as caught:
        getattr(ae, method)(X)
    (warning,) = (w for w in caught if "no observed entry" in str(w.message))
    assert warning.filename == __file__


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
def test_no_row_with_an_entry(loss, unit_X):
    nothing = np.full((3, 6), np.nan)
    ae = Autoencoder(**SHORT, loss=loss).fit(unit_X)
    with pytest.warns(UserWarning, match=r"3 row\(s\)"):
        assert_array_equal(ae.score_samples(nothing), 0)
    with pytest.raises(ValueError, match="no observed entry in column"):
        ae.fit(nothing)


def test_columns_without_an_entry(X, frame):
    X = X.copy()
    X[:, [1, 3]] = np.nan
    with pytest.raises(ValueError, match=r"no observed entry in column\(s\) \[1, 3\]"):
        Autoencoder(**SHORT).fit(X)
    with pytest.raises(ValueError, match=r"no observed entry in column\(s\) \['b', 'd'\]"):
        Autoencoder(**SHORT).fit(pd.DataFrame(X, columns=NAMES))


def test_a_column_may_be_empty_after_fit(ae, X):
    X = X.copy()
    X[:, 1] = np.nan
    assert_usable(ae, X)


def test_infinity(ae, X, frame):
    for bad in (np.inf, -np.inf):
        Z = X.copy()
        Z[5, 2] = bad
        for method in [*METHODS, "fit", "partial_fit"]:
            with pytest.raises(ValueError, match=r"(?s)infinity.*\[2\]"):
                getattr(ae, method)(Z)
        with pytest.raises(ValueError, match=r"(?s)infinity.*\['c'\]"):
            Autoencoder(**SHORT).fit(pd.DataFrame(Z, columns=NAMES))
        with pytest.raises(ValueError, match=r"(?s)infinity.*\['c'\]"):
            Autoencoder(**SHORT).fit(pl.DataFrame(Z, schema=NAMES))


def test_strings(frame):
    frame = frame.assign(c="red", e=["1.5"] * 79 + ["two"])
    choices = MultinomialVariationalAutoencoder(**SHORT)  # which takes numbers alone
    with pytest.raises(ValueError, match=r"(?s)could not convert string to float.*\['c', 'e'\]"):
        choices.fit(frame)
    with pytest.raises(ValueError, match=r"\['c', 'e'\]"):
        choices.fit(pl.DataFrame(frame.to_dict("list")))
    with pytest.raises(ValueError, match="could not convert string to float.*red"):
        Autoencoder(**SHORT).fit(np.array([["red", "blue"], ["green", "red"]]))


def test_categories_and_dates(frame):
    choices = MultinomialVariationalAutoencoder(**SHORT)  # which takes numbers alone
    with pytest.raises(ValueError, match=r"\['b'\]"):
        choices.fit(frame.assign(b=pd.Categorical(["x", "y"] * 40)))
    dates = pd.date_range("2020-01-01", periods=80)
    with pytest.raises((TypeError, ValueError), match=r"\['b'\]"):
        choices.fit(frame.assign(b=dates))


def test_frames_with_missing_values_of_their_own_kind(frame, X_missing):
    expected = Autoencoder(**SHORT).fit(X_missing).score_samples(X_missing)
    nullable = pd.DataFrame(X_missing, columns=NAMES).convert_dtypes()
    assert nullable["a"].isna().any()
    nulls = pl.DataFrame(X_missing, schema=NAMES).fill_nan(None)
    for frame in (nullable, nulls, pd.DataFrame(X_missing, dtype=object)):
        assert_array_equal(Autoencoder(**SHORT).fit(frame).score_samples(frame), expected)


@pytest.mark.parametrize(
    ("size", "dtype"), [(1e50, "float64"), (1e300, "float64"), (1e25, "float32")]
)
@pytest.mark.filterwarnings("error:::skae")
def test_values_too_large_to_be_squared(size, dtype, X):
    with pytest.raises(ValueError, match="too large.*divide X by a constant"):
        Autoencoder(**SHORT).fit((size * X).astype(dtype))


# -- shapes and columns -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 6), (80, 0), (0, 0)])
def test_nothing_at_all(shape):
    with pytest.raises(ValueError, match=r"Found array with 0 (sample|feature)\(s\)"):
        Autoencoder(**SHORT).fit(np.empty(shape))
    with pytest.raises(ValueError, match="0 sample|0 feature|at least one"):
        Autoencoder(**SHORT).fit(pd.DataFrame(np.empty(shape)))
    with pytest.raises(ValueError, match="0 sample|0 feature|at least one"):
        Autoencoder(**SHORT).fit(pd.DataFrame())


@pytest.mark.parametrize("shape", [(80,), ()])
def test_too_few_dimensions(shape, ae):
    for method in ["fit", "transform"]:
        with pytest.raises(ValueError, match="Expected 2D array"):
            getattr(ae, method)(np.zeros(shape))


@pytest.mark.parametrize("shape", [(80, 3, 2), (80, 1, 3, 2)])
def test_too_many_dimensions(shape, ae):
    message = rf"array with dim {len(shape)}.*Autoencoder.*\(n_samples, n_features\).*reshape"
    for method in ["fit", "partial_fit", *METHODS]:
        with pytest.raises(ValueError, match=message):
            getattr(ae, method)(np.zeros(shape))


def test_nested_lists_of_too_many_dimensions(ae):
    with pytest.raises(ValueError, match="array with dim 3"):
        ae.fit(np.zeros((80, 3, 2)).tolist())


def test_complex_numbers(ae, X):
    with pytest.raises(ValueError, match="[Cc]omplex"):
        ae.fit(X + 1j)


@pytest.mark.parametrize("method", METHODS)
def test_other_columns_than_at_fit(method, ae, X, frame):
    with pytest.raises(ValueError, match="X has 5 features, but Autoencoder is expecting 6"):
        getattr(ae, method)(X[:, :5])
    ae = Autoencoder(**SHORT).fit(frame)
    with pytest.raises(ValueError, match="same order as they were in fit"):
        getattr(ae, method)(frame[NAMES[::-1]])
    with pytest.raises(ValueError, match="(?s)missing:.*- c"):
        getattr(ae, method)(frame.drop(columns="c"))
    with pytest.raises(ValueError, match="(?s)unseen at fit time:.*- new"):
        getattr(ae, method)(frame.assign(new=0.0))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        getattr(ae, method)(X)


@pytest.mark.parametrize("width", [1, 3, 6])
def test_codes_of_another_width(width, ae):
    message = rf"X has {width} features, but Autoencoder was fitted with code_size_=2"
    with pytest.raises(ValueError, match=message):
        ae.inverse_transform(np.zeros((4, width)))


def test_codes_that_are_not_numbers(ae):
    with pytest.raises(ValueError, match="contains NaN"):
        ae.inverse_transform(np.full((4, 2), np.nan))
    with pytest.raises(ValueError, match="contains infinity"):
        ae.inverse_transform(np.full((4, 2), np.inf))
    with pytest.raises(ValueError, match="Expected 2D array"):
        ae.inverse_transform(np.zeros(2))


@pytest.mark.parametrize("method", [*METHODS, "inverse_transform"])
def test_before_fit(method, X):
    with pytest.raises(NotFittedError, match="This Autoencoder instance is not fitted yet"):
        getattr(Autoencoder(), method)(X)


def test_names_before_fit():
    with pytest.raises(NotFittedError):
        Autoencoder().get_feature_names_out()


# -- labels -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "y",
    [np.arange(80) % 3, np.array(["a", "b"] * 40), [None] * 80, pd.Series(range(80)), np.ones(3)],
    ids=["integers", "strings", "none", "series", "of another length"],
)
def test_labels_are_ignored(y, X):
    pipeline = make_pipeline(StandardScaler(), Autoencoder(**SHORT))
    expected = pipeline.fit(X).transform(X)
    assert_array_equal(pipeline.fit(X, y).transform(X), expected)
    assert_array_equal(pipeline.fit_transform(X, y), expected)
    Autoencoder(**SHORT).partial_fit(X, y)
