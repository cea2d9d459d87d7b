"""Graphs of what was fitted to a frame of mixed columns: an input and an output for each."""

import copy

import numpy as np
import pandas as pd
import pytest
from discovery import quick
from graphs import answers
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    MaskedAutoencoder,
    VariationalAutoencoder,
)
from skae.onnx import to_onnx

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
skl2onnx = pytest.importorskip("skl2onnx")

pytestmark = pytest.mark.filterwarnings(
    "ignore:max_epochs=", "ignore:Posterior collapse", "ignore:.*differ in nearly every row"
)
KINDS = ["age", "pclass", "sex", "embarked", "alive", "deck", "boarded", "born"]


@pytest.fixture(scope="module")
def passengers():
    """All kinds of columns that a graph can have, and a name that it leaves out."""
    rng = np.random.default_rng(0)
    n = 300
    seconds = pd.to_timedelta(rng.integers(0, 10**8, n), unit="s")
    frame = pd.DataFrame(
        {
            "name": [f"passenger {i}" for i in range(n)],
            "age": np.where(rng.random(n) < 0.2, np.nan, rng.normal(30, 14, n)),
            "pclass": rng.integers(1, 4, n),
            "sex": pd.Categorical(rng.choice(["female", "male"], n)),
            "embarked": rng.choice(["C", "Q", "S", None], n),
            "alive": rng.random(n) < 0.4,
            "deck": pd.Categorical(rng.choice([1.5, 2.5, 0.1], n)),
            "boarded": pd.Timestamp("2024-01-01", tz="Europe/Berlin") + seconds,
            "born": (pd.Timestamp("1900-01-01") + seconds).date,
        }
    )
    frame.loc[rng.random(n) < 0.2, ["sex", "boarded"]] = None
    return frame


def as_numbers(column, kind):
    """A column as a graph has it: texts, or numbers of days, of seconds or of themselves."""
    if kind == "texts":
        return np.array(["" if value != value else value for value in column.fillna("")], object)
    if kind == "seconds":
        micros = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("M8[us]")
        return np.where(column.isna(), np.nan, micros.astype("i8") / 1e6)
    if kind == "days":
        return np.array([value.toordinal() for value in column], dtype=float)
    return column.to_numpy(float)


def as_columns(frame, dtype):
    """Inputs of a graph: columns of shape (n, 1)."""
    of_numbers = {"boarded": "seconds", "born": "days", "sex": "texts", "embarked": "texts"}
    columns = {}
    for name in [name for name in KINDS if name in frame]:
        kind = of_numbers.get(name, "numbers")
        array = as_numbers(frame[name].astype(object) if kind == "texts" else frame[name], kind)
        columns[name] = array[:, None].astype(dtype) if kind == "numbers" else array[:, None]
    return columns


def assert_rows_equal(found, method, frame, dtype):
    for name, expected in as_columns(frame, dtype).items():
        answer = found[f"{method}_{name}"]
        assert (answer.shape, answer.dtype) == (expected.shape, expected.dtype), name
        if expected.dtype == object:
            assert (answer == expected).mean() >= 0.99, name
        else:
            tolerance = 1e-5 if dtype == np.float32 else 1e-9
            assert np.abs(answer - expected).max() <= tolerance * np.abs(expected).max(), name


def assert_close(answer, expected):
    assert np.abs(answer - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("cls", "dtype"), [(Autoencoder, np.float32), (VariationalAutoencoder, np.float64)]
)
def test_columns_in_and_columns_out(cls, dtype, passengers):
    fitted = quick(cls).fit(passengers[:200])
    methods = ["transform", "reconstruct", "score_samples", "predict"]
    model = to_onnx(fitted, methods, dtype=dtype)
    assert [value.name for value in model.graph.input] == KINDS  # and no name
    given = as_columns(passengers, dtype)
    found = answers(model, given)
    assert_close(found["transform"], fitted.transform(passengers))
    assert_close(found["score_samples"], fitted.score_samples(passengers))
    assert found["transform"].dtype == found["score_samples"].dtype == dtype
    assert (found["predict"] == fitted.predict(passengers)).mean() >= 0.99
    assert_rows_equal(found, "reconstruct", fitted.reconstruct(passengers), dtype)
    codes = fitted.transform(passengers).astype(dtype)
    back = answers(to_onnx(fitted, "inverse_transform", dtype=dtype), codes)
    assert_rows_equal(back, "inverse_transform", fitted.inverse_transform(codes), dtype)


def test_values_that_are_new_are_missing(passengers):
    fitted = quick(Autoencoder).fit(passengers[:200])
    new = passengers[200:].astype({"sex": object})
    new["sex"], new["deck"] = "unknown", 7.0
    found = answers(to_onnx(fitted, dtype=np.float64), as_columns(new, np.float64))
    without = new.assign(sex=None, deck=np.nan)
    assert_close(found["transform"], fitted.transform(without))
    assert_close(found["transform"], fitted.transform(new))


def test_rare_values_share_an_indicator(passengers):
    few = quick(Autoencoder, max_categories=2).fit(passengers)
    found = answers(to_onnx(few, ["transform", "reconstruct"]), as_columns(passengers, np.float32))
    assert_close(found["transform"], few.transform(passengers))
    assert_rows_equal(found, "reconstruct", few.reconstruct(passengers), np.float32)


def test_an_array_with_categories():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=80), rng.integers(3, size=80)])
    fitted = quick(Autoencoder, categorical_features=[1]).fit(X)
    columns = {f"x{j}": X[:, [j]].astype(np.float32) for j in range(2)}
    assert_close(answers(to_onnx(fitted), columns)["transform"], fitted.transform(X))


def test_a_detector(passengers):
    fitted = AutoencoderOutlierDetector(quick(Autoencoder), random_state=0).fit(passengers[:200])
    model = to_onnx(fitted, ["score_samples", "predict"], dtype=np.float64)
    found = answers(model, as_columns(passengers, np.float64))
    assert_close(found["score_samples"], fitted.score_samples(passengers))
    assert (found["predict"] == fitted.predict(passengers)).mean() >= 0.99


@pytest.fixture(scope="module")
def classifier(passengers):
    return quick(AutoencoderClassifier).fit(passengers[["age", "sex"]], passengers["alive"])


@pytest.mark.parametrize("labels", [["no", "yes"], [3, 7], [1.0, 2.0], [False, True]])
def test_a_classifier_answers_with_its_labels(labels, passengers, classifier):
    X, fitted = passengers[["age", "sex"]], copy.copy(classifier)
    fitted.classes_ = np.array(labels)
    found = answers(to_onnx(fitted, "predict"), as_columns(X, np.float32))
    assert (found["predict"] == fitted.predict(X)).mean() >= 0.99
    assert found["predict"].dtype.kind == fitted.classes_.dtype.kind.replace("U", "O")


def test_how_sure_a_classifier_is(passengers, classifier):
    X, methods = passengers[["age", "sex"]], ["predict_proba", "decision_function"]
    found = answers(to_onnx(classifier, methods), as_columns(X, np.float32))
    for method in methods:
        assert_close(found[method], getattr(classifier, method)(X))


def test_a_regressor_with_a_deep_head(passengers):
    X, y = passengers[["pclass", "sex", "boarded"]], passengers["age"]
    fitted = quick(AutoencoderRegressor, head_layer_sizes=(5, 4)).fit(X, y)
    found = answers(to_onnx(fitted, "predict"), as_columns(X, np.float32))
    assert_close(found["predict"], fitted.predict(X))


@pytest.mark.parametrize("inside", [Autoencoder, MaskedAutoencoder])
def test_an_imputer_fills_frames(inside, passengers):
    fitted = AutoencoderImputer(quick(inside), random_state=0).fit(passengers[:200])
    model = to_onnx(fitted, dtype=np.float64)
    found = answers(model, as_columns(passengers, np.float64))
    assert_rows_equal(found, "transform", fitted.transform(passengers), np.float64)


def test_an_imputer_fills_arrays(passengers):
    X = passengers[["age", "pclass"]].to_numpy(float)
    X[200] = np.nan  # a row of which nothing is known
    fitted = AutoencoderImputer(quick(VariationalAutoencoder), random_state=0).fit(X[:200])
    filled = answers(to_onnx(fitted), X.astype(np.float32))["transform"]
    with pytest.warns(UserWarning, match="no observed entry"):
        assert_close(filled, fitted.transform(X))


def test_reasons(passengers):
    X = np.column_stack([np.arange(40.0) ** 2, [0, 1] * 20])
    pipeline = make_pipeline(StandardScaler(), quick(Autoencoder, categorical_features=[1])).fit(X)
    for method in ("transform", "inverse_transform"):
        with pytest.raises(NotImplementedError, match="export it alone"):
            to_onnx(pipeline, method)
    with pytest.raises(NotImplementedError, match="neither draws nor indicators"):
        to_onnx(AutoencoderImputer(quick(Autoencoder), add_indicator=True).fit(passengers))
    empty = pd.DataFrame({"a": np.arange(40.0) ** 2, "b": ["", "x"] * 20})
    with pytest.raises(NotImplementedError, match="Column 'b' .* an empty text"):
        to_onnx(AutoencoderImputer(quick(Autoencoder)).fit(empty))
    several = pd.DataFrame({"a": np.arange(40.0) ** 2, "b": [1, "x"] * 20})
    with pytest.raises(NotImplementedError, match="Column 'b' .* kinds \\['int', 'str'\\]"):
        to_onnx(quick(Autoencoder).fit(several))
    near = pd.DataFrame({"a": np.arange(40.0) ** 2, "b": [2.0**40, 2.0**40 + 1] * 20})
    with pytest.raises(NotImplementedError, match="cannot tell apart"):
        to_onnx(quick(Autoencoder, categorical_features=["b"]).fit(near))
