"""Graphs of ONNX: onnxruntime answers as the estimators do."""

import importlib.util
import json
import subprocess
import venv
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pandas as pd
import pytest
from discovery import ALL_ESTIMATORS, labels_for, over, quick
from graphs import answers, assert_close
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils import get_tags
from torch import nn

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    ConvolutionalAutoencoder,
    KSparseAutoencoder,
    MaskedAutoencoder,
    RatingAutoencoder,
    SequenceAutoencoder,
    VariationalAutoencoder,
    VectorQuantizedAutoencoder,
)
from skae.export.methods import methods_of
from skae.onnx import to_onnx

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
skl2onnx = pytest.importorskip("skl2onnx")

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=", "ignore:Posterior collapse")

DOCS = Path(__file__).parent.parent / "docs"
JUDGING = ["score_samples", "decision_function", "predict"]
METHODS = ["transform", "reconstruct", *JUDGING, "predict_proba"]
# Those that say that they cannot be exported, and why; the guide lists them.
REFUSING = methods_of.dispatch(object)
NOT_EXPORTED = {cls for cls in ALL_ESTIMATORS if methods_of.dispatch(cls) is REFUSING}


@pytest.fixture(scope="module")
def rows():
    """A thousand rows near a curved surface, some entries of them missing, and counts."""
    rng = np.random.default_rng(0)
    X = np.tanh(2 * rng.normal(size=(1000, 2)) @ rng.normal(size=(2, 6)))
    X += 0.05 * rng.normal(size=X.shape)
    missing = np.where(rng.random(X.shape) < 0.1, np.nan, X)
    return {"X": X, "missing": missing, "counts": np.round(5 * np.abs(X))}


def fit(estimator, X):
    return estimator.fit(X[:80], labels_for(type(estimator), X[:80]))


def check(estimator, X, methods=METHODS, dtype=np.float64, way_back=True):
    """A graph of methods of rows, and one of the way back if there is one."""
    X = X.astype(dtype)
    methods = [method for method in methods if hasattr(estimator, method)]
    found = answers(to_onnx(estimator, methods, dtype=dtype), X)
    assert list(found) == methods
    for method in methods:
        assert_close(found[method], getattr(estimator, method)(X), method)
    if way_back and hasattr(estimator, "inverse_transform"):
        codes = estimator.transform(X)
        back = answers(to_onnx(estimator, "inverse_transform", dtype=dtype), codes)
        expected = estimator.inverse_transform(codes)
        assert_close(back["inverse_transform"], expected, "inverse_transform")


@over([cls for cls in ALL_ESTIMATORS if cls not in NOT_EXPORTED])
def test_every_estimator_and_method(cls, rows):
    name = "counts" if get_tags(cls()).input_tags.positive_only else "X"
    X = rows["missing" if issubclass(cls, AutoencoderImputer) else name]
    check(fit(quick(cls), X), X)


@over([cls for cls in ALL_ESTIMATORS if cls in NOT_EXPORTED])
def test_what_cannot_be_exported_says_why_and_is_documented(cls, X):
    with pytest.raises(NotImplementedError, match=f"{cls.__name__} .*cannot be exported: "):
        to_onnx(quick(cls).fit(X, (X[:, 0] > 0).astype(int)))
    assert f"`{cls.__name__}`" in (DOCS / "user_guide" / "saving.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "estimator",
    [
        quick(Autoencoder),
        quick(RatingAutoencoder, based_on="items", hidden_layer_sizes=()),
        quick(SequenceAutoencoder, n_channels=2, cell="lstm", reverse=True, horizon=1),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_missing_entries(estimator, rows):
    X = rows["missing"][~np.isnan(rows["missing"][:, :4]).any(axis=1)]
    fitted = fit(estimator, X)
    check(fitted, X, ["reconstruct", "score_samples"], way_back=False)


@pytest.mark.parametrize(
    "estimator",
    [
        quick(Autoencoder, code_size="auto", ordered=True),
        quick(KSparseAutoencoder, code_size=12, k=3, alpha=2, selection="batchtopk"),
        quick(VectorQuantizedAutoencoder, code_size=4, embedding_size=2, output="indices"),
        quick(AutoencoderOutlierDetector, contamination=0.1),
        quick(AutoencoderOutlierDetector, method="error", n_estimators=2),
        quick(AutoencoderOutlierDetector, method="masked"),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_other_parameters(estimator, rows):
    X = rows["X"]
    way_back = getattr(estimator, "output", None) == "indices"
    check(fit(estimator, X), X, ["transform", "score_samples"], way_back=way_back)


def test_images(digits):
    X = np.stack([digits[:200].reshape(-1, 8, 8), 5 * digits[200:400].reshape(-1, 8, 8)], axis=1)
    images = quick(ConvolutionalAutoencoder, upsampling="resize").fit(X[:80])
    check(images, X, ["transform", "reconstruct", "score_samples"], way_back=False)


def test_float32(rows):
    check(fit(quick(Autoencoder), rows["X"]), rows["X"], dtype=np.float32, way_back=False)


def test_a_target(rows):
    X = rows["X"]
    paired = quick(Autoencoder).fit(X[:80, :4], target=X[:80, 2:] * [1, 2, 3, 4])
    check(paired, X[:, :4], ["reconstruct"], way_back=False)
    with pytest.raises(NotImplementedError, match="judges rows by a target"):
        to_onnx(paired, "predict")


def test_pictures_from_pictures(digits):
    X = digits.reshape(-1, 8, 8)
    larger = quick(ConvolutionalAutoencoder, code_size=None).fit(
        X[:80], target=X[:80].repeat(2, axis=1)
    )
    check(larger, X, ["transform", "reconstruct"])


def test_reasons(rows, digits):
    X = rows["X"][:80]
    conditional = quick(VariationalAutoencoder).fit(X, condition=X[:, 0] > 0)
    with pytest.raises(NotImplementedError, match="fitted with a condition"):
        to_onnx(conditional)
    tokens = quick(SequenceAutoencoder, vocabulary="ab").fit(["ab", "ba", "aab", "b"] * 5)
    with pytest.raises(NotImplementedError, match="of the kind Tokens"):
        to_onnx(tokens)
    ragged = [X[i, : 3 + i % 3] for i in range(40)]
    both_ways = quick(SequenceAutoencoder, bidirectional=True).fit(ragged)
    with pytest.raises(NotImplementedError, match="bidirectional=True"):
        to_onnx(both_ways)
    around_pca = AutoencoderOutlierDetector(WithReconstruct(2), method="error").fit(X)
    with pytest.raises(NotImplementedError, match="stands around WithReconstruct"):
        to_onnx(around_pca, "predict")
    branching = quick(Autoencoder, encoder=Branching, shortcut=None).fit(X)
    with pytest.raises(NotImplementedError, match="cannot write down"):
        to_onnx(branching)
    with pytest.raises(NotImplementedError, match="has no method inverse_transform"):
        to_onnx(quick(MaskedAutoencoder).fit(X), "inverse_transform")


class WithReconstruct(PCA):
    def reconstruct(self, X):
        return self.inverse_transform(self.transform(X))


class Branching(nn.Linear):
    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else -super().forward(x)


def test_what_is_asked_for_must_be(X):
    fitted = quick(Autoencoder).fit(X)
    for method in ("fit", [], ["transform", "transform"], ["transform", "inverse_transform"]):
        with pytest.raises(ValueError, match="method|takes codes"):
            to_onnx(fitted, method)
    with pytest.raises(ValueError, match="float32 or float64"):
        to_onnx(fitted, dtype=np.float16)
    with pytest.raises(NotFittedError):
        to_onnx(Autoencoder())


def test_without_the_packages_the_error_names_the_extra(X, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "skae.onnx.find_spec", lambda name: None if name == "onnxscript" else found(name)
    )
    with pytest.raises(ImportError, match=r"onnxscript is not installed: .*skae\[onnx\]"):
        to_onnx(quick(Autoencoder).fit(X))


# -- pipelines ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def passengers():
    """A table such as that of the Titanic's passengers."""
    rng = np.random.default_rng(0)
    n = 1000
    frame = pd.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.2, np.nan, rng.normal(30, 14, n)),
            "fare": rng.lognormal(3, 1, n),
            "pclass": rng.integers(1, 4, n),
            "sex": rng.choice(["female", "male"], n),
            "embarked": rng.choice(["C", "Q", "S", "unknown"], n),
        }
    )
    return frame.astype({"sex": object, "embarked": object})


def as_inputs(frame):
    """Columns as onnxruntime is given them."""
    return {
        name: frame[[name]].to_numpy(np.float32 if frame[name].dtype.kind == "f" else None)
        for name in frame
    }


def test_a_pipeline_with_a_column_transformer(passengers):
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "fare"]),
        (OneHotEncoder(sparse_output=False), ["pclass", "sex", "embarked"]),
    )
    pipeline = make_pipeline(columns, quick(Autoencoder)).fit(passengers[:200])
    methods = ["transform", *JUDGING]
    found = answers(to_onnx(pipeline, methods, X=passengers), as_inputs(passengers))
    for method in methods:
        answer, expected = found[method], np.asarray(getattr(pipeline, method)(passengers))
        if method == "predict":
            assert (answer == expected).mean() >= 0.999
        else:  # what stands before is computed in float32
            assert np.abs(answer - expected).max() <= 1e-5 * np.abs(expected).max()


def test_skl2onnx_converts_pipelines(rows):
    X = rows["missing"].astype(np.float32)
    pipeline = make_pipeline(StandardScaler(), quick(Autoencoder)).fit(X[:80])
    (codes,) = answers(skl2onnx.to_onnx(pipeline, X), X).values()
    assert_close(codes, pipeline.transform(X), "transform")
    X, y = rows["X"].astype(np.float32), rows["X"][:, 0] > 0
    steps = StandardScaler(), quick(Autoencoder), quick(VectorQuantizedAutoencoder)
    pipeline = make_pipeline(*steps, LogisticRegression()).fit(X, y)
    model = skl2onnx.to_onnx(pipeline, X, options={"zipmap": False})
    assert np.abs(answers(model, X)["probabilities"] - pipeline.predict_proba(X)).max() < 1e-5


def test_classifiers_and_imputers_stand_in_pipelines(rows):
    X, y = rows["X"].astype(np.float32), np.where(rows["X"][:, 0] > 0, "high", "low")
    pipeline = make_pipeline(StandardScaler(), quick(AutoencoderClassifier)).fit(X[:80], y[:80])
    for model in (to_onnx(pipeline, ["predict", "predict_proba"]), skl2onnx.to_onnx(pipeline, X)):
        found = answers(model, X)
        assert (found["predict"] == pipeline.predict(X)).mean() >= 0.999
        assert np.abs(found["predict_proba"] - pipeline.predict_proba(X)).max() < 1e-5
    X = rows["missing"].astype(np.float32)
    pipeline = make_pipeline(quick(AutoencoderImputer), LogisticRegression()).fit(X[:80], y[:80])
    found = answers(skl2onnx.to_onnx(pipeline, X, options={"zipmap": False}), X)
    assert np.abs(found["probabilities"] - pipeline.predict_proba(X)).max() < 1e-5


def test_the_way_back_through_a_pipeline(rows):
    X = rows["X"]
    pipeline = make_pipeline(StandardScaler(), PCA(4), quick(Autoencoder)).fit(X[:80])
    codes = pipeline.transform(X)
    back = answers(to_onnx(pipeline, "inverse_transform", dtype=np.float64), codes)
    assert_close(back["inverse_transform"], pipeline.inverse_transform(codes), "inverse_transform")


def test_pipelines_that_cannot_be_exported(X):
    pipeline = make_pipeline(FunctionTransformer(np.tanh), quick(Autoencoder)).fit(X)
    with pytest.raises(NotImplementedError, match="FunctionTransformer"):
        to_onnx(pipeline, "inverse_transform")
    with pytest.raises(NotImplementedError, match="does not know"):
        to_onnx(make_pipeline(Unknown(), quick(Autoencoder)).fit(X))
    with pytest.raises(NotImplementedError, match="has no .*reconstruct"):
        to_onnx(make_pipeline(StandardScaler(), quick(Autoencoder)).fit(X), "reconstruct")
    with pytest.raises(NotImplementedError, match="PCA cannot be exported"):
        to_onnx(make_pipeline(StandardScaler(), PCA(2)).fit(X))


class Unknown(StandardScaler):
    """Of no class that skl2onnx knows."""


# -- served without torch -----------------------------------------------------------------------


@pytest.fixture
def python_without_torch(tmp_path):
    """The Python of an environment that has onnxruntime and numpy, and nothing else of ours."""
    venv.create(tmp_path / "environment", with_pip=False)
    (packages,) = (tmp_path / "environment").glob("lib/python*/site-packages")
    for name in ("numpy", "onnxruntime"):
        (folder,) = importlib.util.find_spec(name).submodule_search_locations
        (packages / name).symlink_to(folder)
        libraries = Path(folder).with_name(f"{name}.libs")
        if libraries.exists():
            (packages / libraries.name).symlink_to(libraries)
    return tmp_path / "environment" / "bin" / "python"


def test_the_served_example_needs_no_torch(rows, python_without_torch, tmp_path):
    X = rows["missing"].astype(np.float32)
    pipeline = make_pipeline(StandardScaler(), quick(Autoencoder)).fit(X[:80])
    model = to_onnx(pipeline, ["score_samples", "predict"])
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    alone = {"env": {}, "cwd": tmp_path, "text": True, "stdout": subprocess.PIPE}
    for name in ("torch", "sklearn", "skae"):
        done = subprocess.run([python_without_torch, "-c", f"import {name}"], check=False, **alone)
        assert done.returncode != 0
    command = [python_without_torch, DOCS / "examples" / "serve.py", "model.onnx", "0"]
    with subprocess.Popen(command, **alone) as server:
        try:
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            given = [[None if x != x else x for x in row] for row in X[:50].tolist()]
            with urlopen(Request(url, json.dumps({"rows": given}).encode())) as response:
                answers = json.load(response)
            with pytest.raises(HTTPError, match="400"):
                urlopen(Request(url, b'{"rows": [["a"]]}'))
        finally:
            server.terminate()
    scores = pipeline.score_samples(X[:50])
    assert np.abs(answers["score_samples"] - scores).max() <= 1e-5 * np.abs(scores).max()
    assert answers["predict"] == pipeline.predict(X[:50]).tolist()
