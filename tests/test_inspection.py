"""Displays: what they draw is what was computed, for estimators, Pipelines and lists of them."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from discovery import ALL_ESTIMATORS, over, quick
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    Autoencoder,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SequenceAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae.inspection import (
    CodeDisplay,
    CodeSizeDisplay,
    ExplanationDisplay,
    FeatureErrorDisplay,
    FilterDisplay,
    LossCurveDisplay,
    ReconstructionDisplay,
    ScoreDisplay,
    TraversalDisplay,
)
from skae.model_selection import reconstruction_r2

matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")
pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")


@pytest.fixture(autouse=True)
def _figures_are_closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def wine():
    return load_wine(as_frame=True).data


@pytest.fixture(scope="module")
def digits():
    return load_digits().data[:200]


@pytest.fixture(scope="module")
def on_wine(wine):
    """PCA and an autoencoder, each behind a scaler."""
    models = [PCA(3), quick(Autoencoder, early_stopping=True)]
    return [make_pipeline(StandardScaler(), model).fit(wine) for model in models]


@pytest.fixture(scope="module")
def on_digits(digits):
    return [PCA(3).fit(digits), quick(Autoencoder, early_stopping=True).fit(digits)]


@pytest.fixture(scope="module")
def detector(wine):
    return quick(AutoencoderOutlierDetector).fit(wine)


def rebuilt(model, X):
    return np.asarray(model.inverse_transform(model.transform(X)))


def test_loss_curves(on_digits, digits):
    trained = on_digits[1]
    other = quick(DenoisingAutoencoder, early_stopping=True).fit(digits)
    display = LossCurveDisplay.from_estimator([trained, other])
    assert list(display.lines_) == ["Autoencoder", "DenoisingAutoencoder"]
    training, held_out = display.lines_["Autoencoder"]
    assert_allclose(training.get_ydata(), trained.loss_curve_)
    assert_array_equal(training.get_xdata(), np.arange(1, len(trained.loss_curve_) + 1))
    assert_allclose(held_out.get_ydata(), trained.validation_loss_curve_)
    assert display.curves["Autoencoder"].start == trained.validation_loss_curve_[0]
    chosen = [line for line in display.ax_.lines if "chosen" in line.get_label()]
    assert [line.get_xdata()[0] for line in chosen] == [trained.n_iter_, other.n_iter_]
    assert display.ax_.get_xlabel() == "epoch"


def test_loss_curves_of_what_stands_inside(detector, wine):
    one = LossCurveDisplay.from_estimator(detector).curves
    assert_allclose(one["AutoencoderOutlierDetector"].training, detector.estimators_[0].loss_curve_)
    two = quick(AutoencoderOutlierDetector, n_estimators=2).fit(wine)
    assert len(LossCurveDisplay.from_estimator(two).curves) == 2
    imputer = quick(AutoencoderImputer).fit(wine.mask(wine > wine.quantile(0.9)))
    assert len(LossCurveDisplay.from_estimator(imputer).curves) == 1
    with pytest.raises(ValueError, match="PCA has no loss curve"):
        LossCurveDisplay.from_estimator(PCA(2).fit(wine))


@pytest.mark.parametrize("method", ["pca", "tsne", "pairs"])
def test_codes(on_wine, wine, method):
    labels = load_wine().target_names[load_wine().target]
    display = CodeDisplay.from_estimator(on_wine, wine, color=labels, method=method)
    assert list(display.codes) == ["PCA", "Autoencoder"]
    assert_allclose(display.codes["PCA"], on_wine[0].transform(wine))
    n_pictures = {"pca": 2, "tsne": 2, "pairs": 6}[method]
    assert len(display.axes_) == n_pictures
    drawn = [len(points.get_offsets()) for points in display.ax_.collections]
    assert drawn == [(labels == label).sum() for label in np.unique(labels)]
    assert [t.get_text() for t in display.ax_.get_legend().get_texts()] == list(np.unique(labels))
    if method == "pairs":
        drawn = np.concatenate([p.get_offsets() for p in display.axes_[-1].collections])
        by_label = display.codes["Autoencoder"][np.argsort(labels, kind="stable")]
        assert_allclose(drawn, by_label[:, 1:])


def test_codes_of_two_numbers_are_drawn_as_they_are(wine):
    model = quick(VariationalAutoencoder, code_size=2).fit(wine)
    display = CodeDisplay.from_estimator(model, wine, color=wine["hue"])
    (points,) = display.ax_.collections
    assert_allclose(points.get_offsets(), model.transform(wine))
    assert_allclose(points.get_array(), wine["hue"])
    with pytest.raises(ValueError, match="color must be one value for each of 178 rows"):
        CodeDisplay.from_estimator(model, wine, color=[1, 2])
    with pytest.raises(TypeError, match="got y, which is none of its parameters"):
        CodeDisplay.from_estimator(model, wine, y=wine["hue"])
    with pytest.raises(ValueError, match="method must be one of"):
        CodeDisplay.from_estimator(model, wine, method="umap")


def test_reconstructions_as_images(on_digits, digits):
    display = ReconstructionDisplay.from_estimator(on_digits, digits, image_shape=(8, 8), n_rows=5)
    mosaic = display.ax_.images[0].get_array()
    assert mosaic.shape == (3 * 9 - 1, 5 * 9 - 1)
    assert_allclose(mosaic[:8, 9:17], digits[1].reshape(8, 8))
    assert_allclose(mosaic[9:17, :8], rebuilt(on_digits[0], digits)[0].reshape(8, 8))
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == ["rows", "PCA", "Autoencoder"]
    images = digits.reshape(-1, 8, 8)
    net = quick(ConvolutionalAutoencoder).fit(images)
    mosaic = ReconstructionDisplay.from_estimator(net, images).ax_.images[0].get_array()
    assert_allclose(mosaic[9:17, :8], net.reconstruct(images[:1])[0], rtol=1e-4)


def test_reconstructions_of_a_table_stand_in_users_units(on_wine, wine):
    display = ReconstructionDisplay.from_estimator(on_wine, wine, n_rows=2)
    assert_allclose(display.reconstructions["PCA"], rebuilt(on_wine[0], wine)[:2])
    rows, pca, ours = display.ax_.containers
    expected = (wine.iloc[:2] - wine.mean()) / wine.std(ddof=0)
    assert_allclose([bar.get_height() for bar in rows], expected.to_numpy().ravel())
    assert len(pca) == len(ours) == 26
    assert display.ax_.get_xticklabels()[0].get_text() == "alcohol"


def test_reconstructions_as_curves():
    steps = np.linspace(0, 6, 30)
    waves = [np.sin(steps[: 20 + i % 7] + i) for i in range(40)]
    model = quick(SequenceAutoencoder).fit(waves)
    display = ReconstructionDisplay.from_estimator(model, waves, n_rows=3)
    assert len(display.ax_.lines) == 6
    assert_allclose(display.ax_.lines[1].get_ydata(), waves[1])
    assert_allclose(
        display.ax_.lines[4].get_ydata(), np.ravel(model.reconstruct(waves[1:2])[0]), rtol=1e-4
    )


def test_a_target_is_a_line_of_its_own(digits):
    clean, marked = digits, np.where(np.arange(64) % 8 == 3, 16.0, digits)
    model = quick(Autoencoder).fit(marked, target=clean)
    display = ReconstructionDisplay.from_estimator(
        model, marked, target=clean, image_shape=(8, 8), n_rows=2
    )
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == ["rows", "Autoencoder", "target"]
    mosaic = display.ax_.images[0].get_array()
    assert_allclose(mosaic[18:26, 9:17], clean[1].reshape(8, 8))


def test_errors_by_feature(on_wine, wine):
    display = FeatureErrorDisplay.from_estimator(on_wine, wine)
    off = np.mean((wine - rebuilt(on_wine[0], wine)) ** 2, axis=0)
    assert_allclose(display.r2["PCA"], 1 - off / wine.var(ddof=0))
    worst_first = np.argsort(display.r2["PCA"])
    widths = [bar.get_width() for bar in display.ax_.containers[0]]
    assert_allclose(widths, display.r2["PCA"][worst_first])
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == list(wine.columns[worst_first])


def test_errors_by_pixel(on_digits, digits):
    display = FeatureErrorDisplay.from_estimator(on_digits, digits, image_shape=(8, 8))
    shown = display.axes_[1].images[0].get_array()
    given = np.isfinite(display.r2["Autoencoder"]).reshape(8, 8)
    assert_allclose(shown[given], display.r2["Autoencoder"].reshape(8, 8)[given])


def test_code_sizes_of_searches(wine):
    X = StandardScaler().fit_transform(wine)
    searches = [
        GridSearchCV(PCA(), {"n_components": [2, 4, 8]}, scoring=reconstruction_r2, cv=2),
        GridSearchCV(
            make_pipeline(StandardScaler(), quick(Autoencoder)),
            {"autoencoder__code_size": [2, 4]},
            scoring=reconstruction_r2, cv=2,
        ),
    ]  # fmt: skip
    searches = [search.fit(X) for search in searches]
    display = CodeSizeDisplay.from_estimator(searches)
    assert list(display.curves) == ["PCA", "Autoencoder"]
    assert_array_equal(display.curves["PCA"].sizes, [2, 4, 8])
    assert_allclose(display.curves["PCA"].scores, searches[0].cv_results_["mean_test_score"])
    assert display.ax_.get_xlabel() == "code size"
    with pytest.raises(ValueError, match="has no code sizes to show"):
        CodeSizeDisplay.from_estimator(GridSearchCV(PCA(), {"whiten": [True, False]}).fit(X))
    with pytest.raises(ValueError, match="not both in one list"):
        CodeSizeDisplay.from_estimator([searches[0], PCA().fit(X)], X)


def test_code_sizes_of_estimators(wine):
    models = [make_pipeline(StandardScaler(), PCA(size)).fit(wine) for size in (8, 2, 4)]
    display = CodeSizeDisplay.from_estimator(models, wine, tolerance=0.01)
    curve = display.curves["PCA"]
    assert_array_equal(curve.sizes, [2, 4, 8])
    assert_allclose(curve.scores[2], reconstruction_r2(models[0], wine))
    assert curve.chosen == curve.sizes[curve.scores > curve.scores.max() - 0.01].min()
    with pytest.raises(ValueError, match="X must be given"):
        CodeSizeDisplay.from_estimator(models)


def test_code_sizes_of_an_ordered_code(wine):
    ordered = quick(Autoencoder, code_size=4, ordered=True)
    inside = make_pipeline(StandardScaler(), ordered).set_output(transform="pandas").fit(wine)
    display = CodeSizeDisplay.from_estimator([inside, PCA(2).fit(wine)], wine)
    curve = display.curves["Autoencoder"]
    assert curve.sizes.tolist() == [1, 2, 3, 4]
    assert curve.scores[-1] == pytest.approx(reconstruction_r2(inside, wine))
    assert (np.diff(curve.scores) > 0).all()


def test_traversals(on_digits, digits):
    model = on_digits[1]
    display = TraversalDisplay.from_estimator(
        model, digits, row=3, units=[1], n_values=4, image_shape=(8, 8)
    )
    assert_allclose(display.rows[0], model.traverse(digits[3], 1, display.values[0]), rtol=1e-4)
    low, high = np.quantile(model.transform(digits)[:, 1], [0.05, 0.95])
    assert_allclose(display.values[0][[0, -1]], [low, high])
    mosaic = display.ax_.images[0].get_array()
    assert_allclose(mosaic[:, 9:17], display.rows[0][1].reshape(8, 8))
    with pytest.raises(ValueError, match="units must be from 0 to 2"):
        TraversalDisplay.from_estimator(model, digits, units=[3])
    with pytest.raises(ValueError, match="row=200 is not among"):
        TraversalDisplay.from_estimator(model, digits, row=200)


def test_traversals_of_a_pipeline_stand_in_users_units(on_wine, wine):
    display = TraversalDisplay.from_estimator(on_wine[0], wine, units=[0], n_values=3)
    codes = np.repeat(on_wine[0].transform(wine)[:1], 3, axis=0)
    codes[:, 0] = display.values[0]
    assert_allclose(display.rows[0], on_wine[0].inverse_transform(codes))
    assert display.ax_.get_yticklabels()[0].get_text() == "alcohol"


def test_filters_of_a_linear_decoder_are_its_dictionary(digits):
    pca = FilterDisplay.from_estimator(PCA(5).fit(digits), image_shape=(8, 8))
    assert pca.which == "decoder"
    assert_allclose(pca.filters.reshape(5, 64), PCA(5).fit(digits).components_, atol=1e-10)
    model = quick(SparseAutoencoder, code_size=12, hidden_layer_sizes=()).fit(digits)
    ours = FilterDisplay.from_estimator(model, image_shape=(8, 8))
    added = model.inverse_transform(np.eye(12)) - model.inverse_transform(np.zeros((1, 12)))
    assert_allclose(ours.filters.reshape(12, 64), added[ours.units], atol=1e-3)
    assert np.nanmax(np.abs(ours.ax_.images[0].get_array())) == pytest.approx(1)


def test_filters_of_a_curved_decoder_are_those_of_the_first_layer(wine):
    curved = make_pipeline(StandardScaler(), quick(Autoencoder, max_epochs=20)).fit(wine)
    display = FilterDisplay.from_estimator(curved)
    assert display.which == "encoder"
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == list(wine.columns)
    with pytest.raises(ValueError, match="is not linear.*set which='encoder'"):
        FilterDisplay.from_estimator(curved, which="decoder")


def test_scores(detector, wine):
    odd = np.arange(len(wine)) % 9 == 0
    display = ScoreDisplay.from_estimator(detector, wine, y=odd)
    assert_allclose(display.scores["AutoencoderOutlierDetector"], detector.score_samples(wine))
    below = np.mean(detector.score_samples(wine) < detector.offset_)
    labels = [t.get_text() for t in display.ax_.get_legend().get_texts()]
    assert f"threshold, {below:.1%} below" in labels
    assert {"True", "False"} <= set(labels)
    assert detector.offset_ in [line.get_xdata()[0] for line in display.ax_.lines]
    calibrated = quick(AutoencoderOutlierDetector).fit(wine[60:])
    calibrated.calibrate(wine[:60])
    shown = ScoreDisplay.from_estimator([detector, calibrated], wine)
    assert len(shown.axes_) == 2
    assert any("calibration" in t.get_text() for t in shown.axes_[1].get_legend().get_texts())
    with pytest.raises(ValueError, match="PCA has no scores|StandardScaler has no scores"):
        ScoreDisplay.from_estimator(StandardScaler().fit(wine), wine)


def test_explanations(detector, wine):
    display = ExplanationDisplay.from_estimator(detector, wine.assign(ash=9.0), row=1)
    assert display.explanation["share"].sum() == pytest.approx(-display.score)
    widths = [bar.get_width() for bar in display.ax_.containers[0]]
    assert_allclose(widths, np.sort(display.explanation["share"])[-10:])
    assert display.ax_.get_yticklabels()[-1].get_text().startswith("ash: 9, expected")
    with pytest.raises(ValueError, match="Autoencoder has no explanation"):
        ExplanationDisplay.from_estimator(quick(Autoencoder).fit(wine), wine)
    with pytest.raises(ValueError, match="row=500 is not among the 178 rows"):
        ExplanationDisplay.from_estimator(detector, wine, row=500)


def test_explanations_of_images_and_series(digits):
    images = quick(AutoencoderOutlierDetector).fit(digits)
    shown = ExplanationDisplay.from_estimator(images, digits, image_shape=(8, 8))
    assert_allclose(
        shown.ax_.images[1].get_array(), shown.explanation["share"].to_numpy().reshape(8, 8)
    )
    curve = ExplanationDisplay.from_estimator(images, digits, kind="series")
    value, expected = curve.ax_.lines
    assert_allclose(value.get_ydata(), digits[0], atol=1e-9)
    assert_allclose(expected.get_ydata(), curve.explanation["expected"])


def test_axes_of_the_user_are_drawn_on(on_digits, digits):
    figure, axes = plt.subplots(1, 2)
    display = CodeDisplay.from_estimator(on_digits, digits, ax=axes)
    assert display.figure_ is figure
    assert all(ax.collections for ax in axes)
    with pytest.raises(ValueError, match="ax must be 2 Axes"):
        display.plot(ax=axes[0])


def test_pipelines_whose_steps_cannot_be_undone(wine):
    halves = make_pipeline(StandardScaler(), Halves(), quick(Autoencoder)).fit(wine)
    display = ReconstructionDisplay.from_estimator(halves, wine)
    assert_allclose(display.X, halves[:2].transform(wine)[:8])
    with pytest.raises(ValueError, match="have no inverse_transform"):
        ReconstructionDisplay.from_estimator(
            [halves, make_pipeline(StandardScaler(), quick(Autoencoder)).fit(wine)], wine
        )
    with pytest.raises(ValueError, match="last two steps of the Pipeline have no scores"):
        ScoreDisplay.from_estimator(make_pipeline(StandardScaler(), Halves()).fit(wine), wine)


class Halves(BaseEstimator):
    """Every second column, from which the others do not come back."""

    def fit(self, X, y=None):
        self.n_features_in_ = np.shape(X)[1]
        return self

    def transform(self, X):
        return np.asarray(X)[:, ::2]


def test_a_frame_of_mixed_columns():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=60), "b": rng.normal(size=60)})
    frame["kind"] = np.where(frame["a"] > 0, "high", "low")
    model = quick(Autoencoder, code_size=2).fit(frame)
    display = ReconstructionDisplay.from_estimator(model, frame, n_rows=3)
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == ["a", "b"] * 3
    by_column = FeatureErrorDisplay.from_estimator(model, frame)
    assert by_column.feature_names == ["a", "b", "kind"]


def test_names_are_told_apart(digits):
    models = [quick(Autoencoder, code_size=size).fit(digits) for size in (2, 3, 3)]
    names = list(LossCurveDisplay.from_estimator(models).curves)
    assert names == ["Autoencoder, 2", "Autoencoder, 3 (1)", "Autoencoder, 3 (2)"]
    assert list(LossCurveDisplay.from_estimator(models, names=["a", "b", "c"]).curves) == [*"abc"]
    with pytest.raises(ValueError, match="names must be 3 different texts"):
        LossCurveDisplay.from_estimator(models, names=["a", "b", "b"])
    with pytest.raises(ValueError, match="The list of estimators is empty"):
        LossCurveDisplay.from_estimator([])


@over(ALL_ESTIMATORS)
def test_notebooks_link_to_our_pages(cls):
    link = f"https://skae.readthedocs.io/en/latest/generated/skae.{cls.__name__}.html"
    assert link in cls()._repr_html_()
