"""Many rows and few labels: the classifier and the regressor."""

import copy
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from discovery import SUPERVISED, labels_for, over, quick
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import skae
from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    KSparseAutoencoder,
    MaskedAutoencoder,
    SequenceAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
    VectorQuantizedAutoencoder,
)
from skae.around import linear_start, supervised
from skae.around.labels import distinct
from skae.around.linear_start import label_folds
from skae.engine.labels import Classes, LabelObjective, in_turns

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=", "ignore:Posterior collapse")
SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 2, "early_stopping": False, "random_state": 0}


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """A test of what is learned asks for more; the others are of how it is done."""
    monkeypatch.setattr(supervised, "STEPS_PER_EPOCH", 3)
    monkeypatch.setattr(linear_start, "N_FOLDS", 2)


def small(code_size=3, **params):
    return Autoencoder(code_size, **{**SMALL, **params})


def trained(cls=AutoencoderClassifier, autoencoder=None, **params):
    """An estimator that trains in any case, and briefly."""
    settings = {"max_epochs": 2, "early_stopping": False, "random_state": 0, **params}
    return cls(small() if autoencoder is None else autoencoder, **settings)


def answers(estimator, X):
    names = ("predict", "predict_proba", "decision_function", "transform")
    return {name: getattr(estimator, name)(X) for name in names if hasattr(estimator, name)}


def assert_same_answers(one, other, X):
    one, other = answers(one, X), answers(other, X)
    for name, array in one.items():
        assert_array_equal(array, other[name], err_msg=name)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def hidden(y, n, mark=-1):
    """The first ``n`` labels of each class."""
    shown = np.full(len(y), mark, dtype=np.result_type(y.dtype, type(mark)))
    for k in np.unique(y):
        index = np.flatnonzero(y == k)[:n]
        shown[index] = y[index]
    return shown


# -- what is learned ----------------------------------------------------------------------------


def test_unlabeled_rows_help(digits, monkeypatch):
    """40 labels of 1000 digits: by more than held-out rows differ by chance."""
    monkeypatch.setattr(supervised, "STEPS_PER_EPOCH", 50)
    X, y = digits
    shown = hidden(y[:1000], 4)
    labeled = shown >= 0
    encoder = FrozenEstimator(small(16, hidden_layer_sizes=(64,)).fit(X[:1000]))
    classifier = trained(autoencoder=encoder, max_epochs=5).fit(X[:1000], shown)
    linear = LogisticRegression(max_iter=1000).fit(X[:1000][labeled], shown[labeled])
    assert classifier.score(X[1000:], y[1000:]) > linear.score(X[1000:], y[1000:]) + 0.04
    start = trained(autoencoder=encoder, max_epochs=0).fit(X[:1000], shown)
    assert classifier.score(X[1000:], y[1000:]) > start.score(X[1000:], y[1000:]) + 0.04


@pytest.mark.parametrize("kind", ["codes", "rows", "both", "random"])
@pytest.mark.parametrize("cls", SUPERVISED)
def test_epoch_0_is_a_linear_model_of_features(cls, kind, X, monkeypatch):
    chosen = lambda model, *rest: linear_start.Start(kind, model.penalties[0], {})  # noqa: E731
    monkeypatch.setattr(supervised, "choose_start", chosen)
    y = labels_for(cls, X)
    if cls is AutoencoderRegressor:
        y = y + X[:, 1]
    estimator = cls(small(), max_epochs=0, random_state=0).fit(X, y)
    known = ~np.isnan(y)
    codes = estimator.transform(X)
    scale = np.sqrt(np.mean(codes.var(axis=0)))
    parts = {"codes": [codes / scale], "rows": [X / X.std(axis=0)]}
    parts["both"] = parts["codes"] + parts["rows"]
    center = [(part - part.mean(axis=0)) for part in parts["both"]]
    units = linear_start.RandomUnits.draw(np.hstack(center), np.random.RandomState(0))
    parts["random"] = [units.of(np.hstack(center))]
    features = np.hstack(parts[kind])
    if cls is AutoencoderClassifier:
        model = LogisticRegression(max_iter=1000).fit(features[known], y[known])
        expected, said = model.decision_function(features), estimator.decision_function(X)
    else:
        spread = y[known].std()
        model = Ridge(alpha=10.0).fit(features[known], y[known] / spread)
        expected, said = spread * model.predict(features), estimator.predict(X)
    assert_allclose(said, expected, atol=2e-3 * np.std(expected))


def test_random_units_bend_where_lines_cannot(tmp_path):
    """Rows near the origin, and rows far from it."""
    X = np.random.default_rng(0).normal(size=(300, 4))
    far = np.square(X).sum(axis=1)
    inside = small(hidden_layer_sizes=(8,))
    y = (far > np.median(far)).astype(int)
    few = np.where(np.arange(300) < 80, y, -1)
    classifier = AutoencoderClassifier(inside, max_epochs=2, random_state=0).fit(X, few)
    assert classifier.start_ == "random"
    assert classifier.score(X[80:], y[80:]) > 0.85
    assert LogisticRegression().fit(X[:80], y[:80]).score(X[80:], y[80:]) < 0.65
    classifier.save(tmp_path / "model.skae")
    loaded = skae.load(tmp_path / "model.skae")
    assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))
    numbers = np.where(np.arange(300) < 80, far, np.nan)
    regressor = AutoencoderRegressor(inside, max_epochs=0, random_state=0).fit(X, numbers)
    assert regressor.start_ == "random"
    assert regressor.score(X[80:], far[80:]) > 0.9
    # With a handful of labels, or layers of the user's, none are drawn.
    handful = np.where(np.arange(300) < 20, y, -1)
    assert "random" not in trained(max_epochs=0).fit(X, handful).start_scores_
    assert "random" not in trained(head_layer_sizes=(4,)).fit(X, few).start_scores_


def test_training_that_gains_nothing_leaves_the_linear_model(X):
    """Labels at random: no net knows them better."""
    y = np.random.default_rng(0).integers(0, 2, len(X))
    y[::4] = -1
    estimator = AutoencoderClassifier(small(), max_epochs=3, random_state=0).fit(X, y)
    start = AutoencoderClassifier(small(), max_epochs=0, random_state=0).fit(X, y)
    assert estimator.n_iter_ == 0
    assert len(estimator.validation_loss_curve_) > 1
    assert estimator.loss_curve_ == []
    assert_same_answers(estimator, start, X)


def test_training_changes_the_encoder_and_keeps_it_an_autoencoder(X):
    y = labels_for(AutoencoderClassifier, X)
    pretrained = small().fit(X)
    codes, errors = pretrained.transform(X), pretrained.score_samples(X)
    classifier = trained(autoencoder=FrozenEstimator(pretrained), max_epochs=5).fit(X, y)
    assert classifier.n_iter_ == len(classifier.loss_curve_) == 5
    assert classifier.encoder_ is not pretrained
    assert not np.allclose(classifier.encoder_.transform(X), codes)
    assert_array_equal(classifier.encoder_.transform(X), classifier.transform(X))
    assert classifier.encoder_.inverse_transform(classifier.transform(X)).shape == X.shape
    assert np.all(np.isfinite(classifier.encoder_.score_samples(X)))
    assert_array_equal(pretrained.transform(X), codes)  # the one that was given is left alone
    assert_array_equal(pretrained.score_samples(X), errors)


@pytest.mark.parametrize("sizes", [(), (5,)])
def test_a_frozen_encoder_stays_as_it_is(sizes, X):
    y = labels_for(AutoencoderClassifier, X)
    given = small().fit(X)
    classifier = trained(
        autoencoder=FrozenEstimator(given), freeze=True, head_layer_sizes=sizes
    ).fit(X, y)
    assert_array_equal(classifier.transform(X), given.transform(X))
    assert classifier.n_iter_ == (2 if sizes else 0)


def test_a_hidden_layer_is_silent_at_the_start_and_then_speaks(X):
    y = labels_for(AutoencoderClassifier, X)
    start, without = (
        trained(head_layer_sizes=sizes, max_epochs=0).fit(X, y) for sizes in [(4,), (3,)]
    )
    assert_allclose(start.predict_proba(X), without.predict_proba(X), rtol=1e-6)
    classifier = trained(head_layer_sizes=(4, 3)).fit(X, y)
    assert len(classifier.head_.layers) == 3
    assert np.abs(classifier.head_.layers[-1][0]).max() > 0


@pytest.mark.parametrize(
    "autoencoder",
    [
        DenoisingAutoencoder(3, **SMALL),
        SparseAutoencoder(4, **SMALL),
        KSparseAutoencoder(6, **SMALL),
        VariationalAutoencoder(3, **SMALL),
        StackedAutoencoder(3, **SMALL),
        MaskedAutoencoder(8, depth=1, max_epochs=1, early_stopping=False),
        MaskedAutoencoder(8, depth=1, pooling="tokens", max_epochs=1, early_stopping=False),
        VectorQuantizedAutoencoder(3, codebook_size=8, **SMALL),
    ],
    ids=lambda autoencoder: type(autoencoder).__name__,
)
def test_families_inside(autoencoder, X):
    y = labels_for(AutoencoderClassifier, X)
    classifier = trained(autoencoder=autoencoder).fit(X, y)
    assert classifier.n_iter_ == 2
    assert classifier.score(X[~np.isnan(y)], y[~np.isnan(y)]) > 0.6
    content = pickle.dumps(classifier)
    assert_same_answers(pickle.loads(content), classifier, X)


@pytest.mark.parametrize("cls", SUPERVISED)
def test_images(cls, digits):
    images, y = digits[0][:120].reshape(-1, 8, 8), digits[1][:120]
    make = ConvolutionalAutoencoder(4, channels=(2, 4), max_epochs=1, early_stopping=False)
    y = np.where(np.arange(120) % 2, y.astype(float), np.nan)
    estimator = trained(cls, make).fit(images, y)
    assert estimator.predict(images).shape == (120,)
    assert estimator.encoder_.reconstruct(images).shape == images.shape
    assert estimator.n_iter_ == 2


def test_sequences_of_several_lengths():
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    rows = [np.sin(np.arange(6 + i % 5) * (1 + k)) + 0.1 * rng.normal() for i, k in enumerate(y)]
    make = SequenceAutoencoder(2, hidden_size=4, max_epochs=1, early_stopping=False)
    classifier = trained(autoencoder=make).fit(rows, np.where(np.arange(40) < 20, y, -1))
    assert classifier.n_iter_ == 2
    assert_array_equal(classifier.predict(rows[20:]), classifier.predict(rows)[20:])
    assert classifier.score(rows, y) > 0.8


def test_missing_entries(X_missing):
    y = labels_for(AutoencoderClassifier, X_missing)
    classifier = trained().fit(X_missing, y)
    assert np.all(np.isfinite(classifier.predict_proba(X_missing)))


# -- labels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [-1, None, np.nan, pd.NA, pd.NaT])
def test_what_marks_rows_without_a_label(mark, X):
    y = np.array(["a", "b"] * 40, dtype=object)
    y[X[:, 0] > 0] = "b"
    known = np.arange(80) % 3 > 0
    y[~known] = mark
    classifier = trained().fit(X, y)
    assert classifier.classes_.tolist() == ["a", "b"]
    y[~known] = None
    assert_same_answers(classifier, trained().fit(X, y), X)


def test_marks_among_numbers(X):
    y = np.arange(80) % 3
    y[1::4] = -1
    expected = trained().fit(X, y)
    assert expected.classes_.tolist() == [0, 1, 2]
    assert expected.predict(X).dtype == y.dtype
    for same in (
        np.where(y < 0, np.nan, y),
        pd.Series(y).where(y >= 0).astype("Int64"),
        [None if k < 0 else int(k) for k in y],
        pl.Series([None if k < 0 else int(k) for k in y]),
    ):
        assert_array_equal(trained().fit(X, same).predict(X), expected.predict(X))


def test_minus_one_and_one_are_two_classes(X):
    y = np.where(X[:, 0] > 0, 1, -1)
    classifier = trained().fit(X, y)
    assert classifier.classes_.tolist() == [-1, 1]
    some = np.where(np.arange(80) % 2, y.astype(float), np.nan)
    assert trained().fit(X, some).classes_.tolist() == [-1, 1]
    assert classifier.score(X, y) > 0.9


def test_labels_of_frames_and_series(X):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    y = pd.Series(np.where(X[:, 0] > 0, "yes", "no"), dtype="string")
    y[::3] = pd.NA
    classifier = trained().fit(frame, y)
    assert classifier.feature_names_in_.tolist() == list("abcdef")
    assert set(classifier.predict(frame)) <= {"yes", "no"}
    assert list(classifier.set_output(transform="pandas").transform(frame).columns) == [
        f"autoencoderclassifier{i}" for i in range(3)
    ]


N = np.nan


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (np.full(80, -1), "has no label"),
        (np.full(80, np.nan), "has no label"),
        (np.array([None] * 80), "has no label"),
        (np.where(np.arange(80) < 9, 1, N), "of one class, .*1.0"),
        (np.where(np.arange(80) < 9, 3, -1), "of one class"),
        (np.array(["a"] * 80), "of one class"),
        (np.arange(79) % 2, "79 entries, but X has 80 rows"),
        (np.linspace(0, 1, 80), "[Cc]ontinuous"),
        (np.where(np.arange(80) < 9, np.inf, 1.0), "infinity"),
        (None, "requires y to be passed"),
        (np.ones((80, 2)), "1d array"),
    ],
)
def test_bad_labels(y, match, X):
    with pytest.raises(ValueError, match=match):
        trained().fit(X, y)


def test_labels_of_several_types(X):
    y = np.array(["a", 2, "b", 3.5] * 20, dtype=object)
    with pytest.raises(TypeError, match="several types"):
        trained().fit(X, y)


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (np.full(80, np.nan), "has no label"),
        (np.where(np.arange(80) == 7, 1.0, N), "n_samples = 1"),
        (np.array(["a", "b"] * 40), "must hold numbers"),
        (np.arange(3.0), "3 entries"),
        (np.where(np.arange(80) == 7, np.inf, 1.0), "infinity"),
    ],
)
def test_bad_numbers(y, match, X):
    with pytest.raises(ValueError, match=match):
        trained(AutoencoderRegressor).fit(X, y)


@pytest.mark.parametrize("bad", [LogisticRegression(), Autoencoder, "auto"])
def test_what_is_no_autoencoder(bad, X):
    with pytest.raises((TypeError, ValueError), match="autoencoder"):
        AutoencoderClassifier(bad).fit(X, labels_for(AutoencoderClassifier, X))


def test_a_frozen_estimator_that_is_not_fitted(X):
    with pytest.raises(NotFittedError):
        trained(autoencoder=FrozenEstimator(small())).fit(X, labels_for(AutoencoderClassifier, X))


def test_a_frozen_estimator_of_other_columns(X):
    given = FrozenEstimator(small().fit(X[:, :4]))
    with pytest.raises(ValueError, match="6 features, but AutoencoderClassifier"):
        trained(autoencoder=given).fit(X, labels_for(AutoencoderClassifier, X))


def test_errors_of_the_autoencoder_say_whose_they_are(X):
    with pytest.raises(ValueError, match="loss") as caught:
        trained(autoencoder=small(loss="binary_cross_entropy")).fit(
            X, labels_for(AutoencoderClassifier, X)
        )
    assert "inside AutoencoderClassifier" in caught.value.__notes__[0]


@over(SUPERVISED)
def test_a_failed_fit_changes_nothing(cls, X):
    y = labels_for(cls, X)
    estimator = trained(cls).fit(X, y)
    before = dict(vars(estimator))
    with pytest.raises(ValueError, match="label"):
        estimator.fit(X[:40], np.full(40, np.nan))
    with pytest.raises(ValueError, match="diverged"):
        estimator.set_params(lr=1e30).fit(X, y)
    estimator.set_params(lr=before["lr"])
    assert vars(estimator).keys() == before.keys()
    assert all(vars(estimator)[name] is before[name] for name in before)


# -- weights ------------------------------------------------------------------------------------


def test_class_weights(X):
    y = np.where(np.arange(80) % 8 == 0, "rare", "usual")
    often = {}
    for weight in (None, "balanced", {"rare": 100.0}):
        classifier = trained(class_weight=weight).fit(X, y)
        often[str(weight)] = np.mean(classifier.predict(X) == "rare")
    assert often["None"] < often["balanced"] < often["{'rare': 100.0}"]
    with pytest.raises(ValueError, match="seldom"):
        trained(class_weight={"seldom": 2}).fit(X, y)


@over(SUPERVISED)
def test_a_weight_is_a_number_of_rows(cls, X):
    y = labels_for(cls, X)
    weights = np.where(np.isnan(y), 1, np.arange(80) % 3)
    once = trained(cls).fit(X, y, sample_weight=weights)
    repeated = trained(cls).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert_same_answers(once, repeated, X)
    assert not np.array_equal(once.predict(X), trained(cls).fit(X, y).predict(X)) or (
        cls is AutoencoderClassifier
    )


@over(SUPERVISED)
def test_bad_weights(cls, X):
    y = labels_for(cls, X)
    with pytest.raises(ValueError, match="sample_weight of 0"):
        trained(cls).fit(X, y, sample_weight=np.isnan(y).astype(float))
    with pytest.raises(ValueError, match="[Nn]egative"):
        trained(cls).fit(X, y, sample_weight=np.full(80, -1.0))


def test_distinct_rows():
    rows = np.array([[1.0, 2], [0, -0.0], [1, 2], [0, 0], [1, 2]])
    labels = np.array([0, 1, 0, 1, 1])
    first, weights = distinct(rows, labels, np.array([1.0, 2, 3, 4, 5]))
    assert sorted(zip(first, weights, strict=True)) == [(0, 4), (1, 6), (4, 5)]


# -- the same bits ------------------------------------------------------------------------------


@over(SUPERVISED)
@pytest.mark.parametrize("early_stopping", [True, False])
def test_one_seed_one_result(cls, early_stopping, X):
    y, states = labels_for(cls, X), (torch.get_rng_state(), np.random.get_state()[1])  # noqa: NPY002
    make = small(random_state=None)
    one, other = (trained(cls, make, early_stopping=early_stopping).fit(X, y) for _ in range(2))
    assert_same_answers(one, other, X)
    assert_same_answers(clone(one).fit(X, y), one, X)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    third = trained(cls, make, early_stopping=early_stopping, random_state=1).fit(X, y)
    assert not np.array_equal(third.transform(X), one.transform(X))


@over(SUPERVISED)
def test_in_threads_as_in_a_row(cls, X):
    y = labels_for(cls, X)

    def fitted(seed):
        return trained(cls, small(random_state=None), random_state=seed).fit(X, y)

    in_a_row = [fitted(seed) for seed in range(3)]
    with ThreadPoolExecutor(3) as threads:
        in_threads = list(threads.map(fitted, range(3)))
    for one, other in zip(in_a_row, in_threads, strict=True):
        assert_same_answers(one, other, X)


class Interrupting(nn.Module):
    """Ctrl-C, once training has gone so far."""

    left = 0

    def forward(self, x):
        if self.training:
            type(self).left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return x


def test_an_interrupt_changes_nothing(X):
    y = labels_for(AutoencoderClassifier, X)
    noisy = DenoisingAutoencoder(3, noise=Interrupting, **SMALL)
    estimator = trained(autoencoder=noisy).fit(X, y)
    before = dict(vars(estimator))
    n_steps = -Interrupting.left
    Interrupting.left = n_steps - 2  # in the last steps: those on labels
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)
    assert vars(estimator) == before


@over(SUPERVISED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision(cls, dtype, X):
    y = labels_for(cls, X)
    estimator = trained(cls).fit(X.astype(dtype), y)
    for name, array in answers(estimator, X.astype(dtype)).items():
        if name != "predict":
            assert array.dtype == dtype, name
    together, alone = answers(estimator, X), answers(estimator, X[3:4])
    for name in together:
        assert_allclose(alone[name][0], together[name][3], rtol=1e-7, err_msg=name)


# -- among scikit-learn's -----------------------------------------------------------------------


def test_files_with_a_fitted_autoencoder_inside(X, tmp_path):
    y = labels_for(AutoencoderClassifier, X)
    classifier = trained(autoencoder=FrozenEstimator(small().fit(X)), head_layer_sizes=(3,))
    classifier.fit(X, y).save(tmp_path / "classifier.skae")
    assert_same_answers(skae.load(tmp_path / "classifier.skae"), classifier, X)


def test_searches_and_calibration(X):
    y = np.where(X[:, 0] + 0.5 * X[:, 1] > 0, "b", "a")
    search = GridSearchCV(
        make_pipeline(StandardScaler(), trained()),
        {"autoencoderclassifier__head_layer_sizes": [(), (3,)]},
        scoring="roc_auc",
        cv=2,
    ).fit(X, y)
    assert search.best_score_ > 0.8
    assert cross_val_predict(trained(), X, y, cv=2, method="predict_proba").shape == (80, 2)
    calibrated = CalibratedClassifierCV(trained(), cv=2).fit(X, y)
    assert calibrated.score(X, y) > 0.8


def test_metadata_routing(X):
    y, weights = labels_for(AutoencoderClassifier, X), np.arange(80.0)
    with config_context(enable_metadata_routing=True):
        asking = trained().set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        routed = make_pipeline(scaler, asking).fit(X, y, sample_weight=weights)
    scaled = StandardScaler().fit_transform(X)
    direct = trained().fit(scaled, y, sample_weight=weights)
    assert_same_answers(routed[-1], direct, scaled)


def test_a_copy_says_the_same(X):
    classifier = trained().fit(X, labels_for(AutoencoderClassifier, X))
    assert_same_answers(copy.deepcopy(classifier), classifier, X)


def test_the_way_out_to_torch(X):
    """The encoder in a net of the user's own, as the guide says."""
    classifier = trained().fit(X, labels_for(AutoencoderClassifier, X))
    module = classifier.encoder_.net_.module_
    with torch.no_grad():
        codes = module.encoder(module.units(torch.tensor(X, dtype=torch.float32))).numpy()
    assert_allclose(codes, classifier.transform(X.astype(np.float32)), atol=1e-5)


# -- parts --------------------------------------------------------------------------------------


def test_folds_deal_out_each_class():
    y = np.array([0] * 10 + [1] * 5 + [2])
    splits = label_folds(y, 3, np.random.RandomState(0))
    held = np.concatenate([held for _, held in splits])
    assert sorted(held) == list(range(15))  # that of a single row is never held out
    for kept, held in splits:
        assert {*kept} | {*held} == set(range(16))
        assert {*y[kept]} == {0, 1, 2}
        assert {*y[held]} == {0, 1}


def test_rows_come_in_turns():
    indices = torch.cat(list(in_turns(5, 3, 10)))
    assert len(indices) == 30
    assert indices.bincount().tolist() == [6] * 5


def test_pseudo_labels_are_of_those_that_are_sure():
    task = Classes(torch.tensor([0.5, 0.5]), confidence=0.9)
    sure, unsure = torch.tensor([[5.0, 0.0]]), torch.tensor([[0.1, 0.0]])
    outputs = torch.tensor([[1.0, 0.0]])
    assert task.agreement(outputs, unsure) == 0
    assert_allclose(task.agreement(outputs, sure), np.log(1 + np.exp(-1)), rtol=1e-6)


def test_a_class_cannot_swallow_the_others():
    task = Classes(torch.tensor([0.5, 0.5]), confidence=0.5)
    often = torch.tensor([[3.0, 0.0]]).expand(20, 2)
    for _ in range(200):
        task.agreement(often, often)
    doubtful = torch.tensor([[0.2, 0.0]])  # of the class that was always said: taken for the other
    outputs = torch.tensor([[0.0, 4.0]])
    assert task.agreement(outputs, doubtful) < 0.1


def test_the_adversarial_direction_moves_predictions_most():
    """A linear logit along the first axis: only that one matters."""

    class Linear(nn.Module):
        def forward(self, x):
            return x[:, :1] * torch.tensor([[2.0, 0.0]])

    task = Classes(torch.tensor([0.5, 0.5]), 0.95)
    objective = LabelObjective(task, None, 0.0, False, radius=0.5)
    x = torch.zeros(4, 9, dtype=torch.float64)
    found = objective.smoothness(Linear(), x).item()
    logits = [torch.tensor([[0.0, 0.0]]), torch.tensor([[2 * 0.5 * 3.0, 0.0]])]
    assert_allclose(found, task.distance(*logits).item(), rtol=1e-4)


def test_quick_instances_train(X):
    """What the other tests rest on."""
    for cls in SUPERVISED:
        estimator = quick(cls).fit(X, labels_for(cls, X))
        assert estimator.n_iter_ == 3
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            estimator.predict(X)


@pytest.mark.parametrize("cls", [AutoencoderClassifier, AutoencoderRegressor])
@pytest.mark.parametrize("y", [torch.tensor(1.0), 3, None, "abc"], ids=str)
def test_labels_to_score_by_must_be_an_array(cls, y):
    X = np.random.default_rng(0).normal(size=(40, 3))
    model = quick(cls).fit(X, np.arange(40) % 2)
    with pytest.raises(TypeError, match="y must be an array"):
        model.score(X, y)
    with pytest.raises(ValueError, match="y has 39 entries, but X has 40 rows"):
        model.score(X, np.zeros(39))


@pytest.mark.parametrize("sizes", [np.array(["a", "b"]), list, (3, 0), (2.5,)], ids=str)
def test_head_layer_sizes_are_numbers_of_units(sizes):
    X = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises((ValueError, TypeError), match="head_layer_sizes"):
        quick(AutoencoderClassifier, head_layer_sizes=sizes).fit(X, np.arange(40) % 2)
