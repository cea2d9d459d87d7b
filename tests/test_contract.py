"""What every public estimator promises beyond scikit-learn's checks, found by its methods."""

import copy
import pickle
import random
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from discovery import AUTOENCODERS, DECODING, ESTIMATORS, SERIES, having, over, quick
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import ClassNamePrefixFeaturesOutMixin, clone
from sklearn.utils import get_tags
from skorch.callbacks import Callback

from skae import RatingAutoencoder
from skae.engine.batches import Batch

# Training is cut short all over this module; what warns of it is held in test_autoencoder.py.
pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")

ENCODERS = [c for c in having("transform") if issubclass(c, ClassNamePrefixFeaturesOutMixin)]
DECODERS = having("transform", "inverse_transform")
SCORERS = having("score_samples")
DETECTORS = having("score_samples", "decision_function", "predict")
# Methods that take X and answer with an array, one entry or row for each row of X.
METHODS = ["transform", "score_samples", "decision_function", "predict"]


def answers(estimator, X):
    """What the estimator's methods say of X, by name."""
    said = {name: getattr(estimator, name)(X) for name in METHODS if hasattr(estimator, name)}
    if hasattr(estimator, "inverse_transform"):
        said["inverse_transform"] = estimator.inverse_transform(said["transform"])
    return said


def assert_same_answers(first, second, X):
    first, second = answers(first, X), answers(second, X)
    assert first.keys() == second.keys()
    for name in first:
        assert_array_equal(first[name], second[name], err_msg=name)


def column_means_error(X_train, X_test):
    return ((X_test - X_train.mean(axis=0)) ** 2).sum()


def reconstruction_error(estimator, X):
    return ((X - estimator.inverse_transform(estimator.transform(X))) ** 2).sum()


def test_the_public_estimators_are_found():
    assert "Autoencoder" in [cls.__name__ for cls in ESTIMATORS]


# -- the same bits ------------------------------------------------------------------------------


@over(ESTIMATORS)
@pytest.mark.parametrize("early_stopping", [True, False])
def test_one_seed_gives_the_same_bits(cls, early_stopping, X):
    first, second = (quick(cls, early_stopping=early_stopping).fit(X) for _ in range(2))
    assert_same_answers(first, second, X)


@over(AUTOENCODERS)
def test_two_seeds_differ(cls, X):
    first, second = (quick(cls, random_state=s).fit(X) for s in (0, 1))
    assert not np.array_equal(first.transform(X), second.transform(X))


@over(ESTIMATORS)
def test_two_calls_give_the_same_bits(cls, fitted, X):
    estimator = fitted(cls)
    assert_same_answers(estimator, estimator, X)


@over(ESTIMATORS)
def test_fitting_twice_is_fitting_once(cls, X):
    estimator = quick(cls).fit(X[:40]).fit(X)
    assert_same_answers(estimator, quick(cls).fit(X), X)


@over(ESTIMATORS)
@pytest.mark.parametrize("early_stopping", [True, False])
def test_fit_and_use_leave_the_global_random_states_as_they_were(cls, early_stopping, X):
    def states():
        numpy_state = np.random.get_state()  # noqa: NPY002
        return torch.get_rng_state().tolist(), str(numpy_state), random.getstate()

    before = states()
    answers(quick(cls, early_stopping=early_stopping).fit(X), X)
    assert states() == before


@over(ESTIMATORS)
def test_the_global_random_state_of_torch_does_not_matter(cls, X):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = quick(cls).fit(X)
        torch.manual_seed(2)
        second = quick(cls).fit(X)
    assert_same_answers(first, second, X)


@over(ESTIMATORS)
def test_fit_leaves_the_number_of_threads_as_it_was(cls, X):
    n_threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        quick(cls).fit(X)
        assert torch.get_num_threads() == 2
        with pytest.raises(ValueError, match="NaN|inf|infinity"):
            quick(cls).fit(np.full_like(X, np.inf))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(n_threads)


# -- rows in, arrays out ------------------------------------------------------------------------


@over(ESTIMATORS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fit_dtype", [np.float32, np.float64])
def test_the_dtype_of_x_is_kept(cls, dtype, fit_dtype, X):
    estimator = quick(cls).fit(X.astype(fit_dtype))
    for name, array in answers(estimator, X.astype(dtype)).items():
        if name != "predict":
            assert array.dtype == dtype, name


@over(ESTIMATORS)
def test_both_dtypes_say_the_same(cls, fitted, X):
    estimator = fitted(cls)
    single, double = answers(estimator, X.astype(np.float32)), answers(estimator, X)
    for name in double:
        if name != "predict":  # a score at the threshold may fall on either side
            assert_allclose(single[name], double[name], atol=2e-4, err_msg=name)


@over(ESTIMATORS)
def test_integers_are_taken_as_floats(cls, X):
    X = (10 * X).astype(int)
    assert_same_answers(quick(cls).fit(X), quick(cls).fit(X.astype(float)), X)


@over([cls for cls in ESTIMATORS if cls not in SERIES])
def test_a_row_does_not_depend_on_its_company(cls, fitted, X):
    estimator = fitted(cls)
    together = answers(estimator, X)
    for i in range(0, len(X), 16):
        for name, alone in answers(estimator, X[i : i + 1]).items():
            assert_allclose(alone[0], together[name][i], rtol=1e-7, atol=1e-12, err_msg=name)


@over(AUTOENCODERS)
def test_a_row_does_not_depend_on_where_the_slices_are_cut(cls, fitted, X, monkeypatch):
    estimator = fitted(cls)
    together = answers(estimator, X)
    monkeypatch.setattr("skae.engine.net.INFERENCE_ELEMENTS", 7 * X.shape[1])
    for name, array in answers(estimator, X).items():
        assert_allclose(array, together[name], rtol=1e-7, atol=1e-12, err_msg=name)


@over(ESTIMATORS)
def test_memory_order_and_strides_do_not_matter(cls, X):
    estimator = quick(cls).fit(np.asfortranarray(X))
    assert_same_answers(estimator, quick(cls).fit(X), X)
    strided, copied = answers(estimator, X[::-2]), answers(estimator, X[::-2].copy())
    for name in copied:
        assert_array_equal(strided[name], copied[name], err_msg=name)


@over(ESTIMATORS)
def test_fit_and_use_at_once(cls, X):
    fitted = quick(cls).fit(X)
    if hasattr(fitted, "transform"):
        assert_array_equal(quick(cls).fit_transform(X), fitted.transform(X))
    if hasattr(cls, "fit_predict"):
        assert_array_equal(quick(cls).fit_predict(X), fitted.predict(X))


@over(ESTIMATORS)
def test_labels_are_ignored(cls, X):
    labels = np.array(["a", "b"] * 40)
    assert_same_answers(quick(cls).fit(X, labels), quick(cls).fit(X), X)


@over(DECODERS)
def test_shapes_of_codes_and_reconstructions(cls, fitted, X):
    estimator = fitted(cls)
    codes = estimator.transform(X)
    assert codes.ndim == 2
    assert len(codes) == len(X)
    assert estimator.inverse_transform(codes).shape == X.shape


# -- copies -------------------------------------------------------------------------------------


def through_pickle(estimator, path):
    return pickle.loads(pickle.dumps(estimator))


def through_joblib(estimator, path):
    joblib.dump(estimator, path / "estimator.joblib", compress=1)
    return joblib.load(path / "estimator.joblib")


def through_deepcopy(estimator, path):
    return copy.deepcopy(estimator)


@over(ESTIMATORS)
@pytest.mark.parametrize("through", [through_pickle, through_joblib, through_deepcopy])
def test_round_trips_keep_the_bits(cls, through, X, tmp_path):
    estimator = quick(cls).fit(X)
    answers(estimator, X)  # whatever is cached for float64 rows must not hinder
    copied = through(estimator, tmp_path)
    assert_same_answers(copied, estimator, X)
    if hasattr(cls, "partial_fit"):  # from the same weights, with an optimizer that starts anew
        again = through(estimator, tmp_path)
        assert_same_answers(copied.partial_fit(X), again.partial_fit(X), X)
        if cls in AUTOENCODERS:
            assert copied.n_iter_ == estimator.n_iter_ + 1


@over(ESTIMATORS)
def test_a_pickle_is_not_much_larger_for_having_been_used(cls, X):
    estimator = quick(cls).fit(X)
    size = len(pickle.dumps(estimator))
    answers(estimator, X)
    assert len(pickle.dumps(estimator)) == size


@over(ESTIMATORS)
def test_clone_is_unfitted_and_equal(cls, X):
    estimator = quick(cls).fit(X)
    cloned = clone(estimator)
    assert repr(cloned) == repr(quick(cls))
    assert not [name for name in vars(cloned) if name.endswith("_")]
    assert_same_answers(cloned.fit(X), estimator, X)


@over(ESTIMATORS)
def test_fit_leaves_the_parameters_as_they_were(cls, X):
    estimator = quick(cls)
    before = dict(estimator.get_params())
    after = estimator.fit(X).get_params()
    assert all(after[name] is before[name] for name in before)


@over(ESTIMATORS)
def test_threads_may_share_a_fitted_estimator(cls, fitted, X):
    alone = answers(fitted(cls), X)
    # A copy, so that whatever is made at the first use is made by the threads.
    shared = copy.deepcopy(fitted(cls))
    with ThreadPoolExecutor(4) as threads:
        for together in threads.map(lambda _: answers(shared, X), range(4)):
            for name in alone:
                assert_array_equal(together[name], alone[name], err_msg=name)


@over(ESTIMATORS)
def test_representations(cls, X):
    estimator = quick(cls)
    assert repr(estimator).startswith(cls.__name__ + "(")
    assert cls.__name__ in estimator._repr_html_()
    fitted = estimator.fit(X)
    there = set(vars(fitted))
    picture = fitted._repr_html_()
    assert set(vars(fitted)) == there
    assert getattr(fitted, "_code_density", None) is None  # looking learns nothing
    sizes = {"n_features_in_", "code_size_", "n_iter_", "net_"} & there
    assert sizes
    table = picture.split("Fitted attributes", 1)[1]
    assert not [name for name in sizes if name not in table]
    if "net_" in there:
        n_weights = sum(weight.numel() for weight in fitted.net_.module_.parameters())
        assert f"<td>{n_weights}</td>" in table


@over(AUTOENCODERS)
def test_tags(cls):
    tags = get_tags(quick(cls))
    assert tags.estimator_type == "outlier_detector"
    assert tags.input_tags.allow_nan
    assert tags.input_tags.sparse == any(kind.sparse for kind in cls._formats)
    assert not tags.target_tags.required
    assert tags.requires_fit
    assert set(tags.transformer_tags.preserves_dtype) == {"float32", "float64"}
    assert not tags.non_deterministic


@over(ESTIMATORS)
def test_metadata_routing_asks_for_nothing(cls):
    requests = quick(cls).get_metadata_routing()
    assert not any(requests.fit.requests.values())


# -- frames -------------------------------------------------------------------------------------

NAMES = ["a", "b", "c", "d", "e", "f"]


@over(ENCODERS)
def test_feature_names_out(cls, fitted, X):
    estimator = fitted(cls)
    n_outputs = estimator.transform(X).shape[1]
    expected = [f"{cls.__name__.lower()}{i}" for i in range(n_outputs)]
    assert list(estimator.get_feature_names_out()) == expected


@over(ESTIMATORS)
def test_a_frame_and_its_array_say_the_same(cls, X):
    from_array = quick(cls).fit(X)
    for frame in (pd.DataFrame(X, columns=NAMES), pl.DataFrame(X, schema=NAMES)):
        from_frame = quick(cls).fit(frame)
        assert list(from_frame.feature_names_in_) == NAMES
        for name, array in answers(from_frame, frame).items():
            assert_array_equal(array, answers(from_array, X)[name])


@over(DECODERS)
@pytest.mark.parametrize("order", ["before fit", "after fit"])
def test_pandas_output(cls, order, X):
    frame = pd.DataFrame(X, columns=NAMES, index=[f"row {i}" for i in range(len(X))])
    estimator = quick(cls)
    if order == "before fit":
        estimator = estimator.set_output(transform="pandas").fit(frame)
    else:
        estimator = estimator.fit(frame).set_output(transform="pandas")
    codes = estimator.transform(frame)
    assert isinstance(codes, pd.DataFrame)
    assert list(codes.columns) == list(estimator.get_feature_names_out())
    pd.testing.assert_index_equal(codes.index, frame.index)

    back = estimator.inverse_transform(codes)
    assert isinstance(back, pd.DataFrame)
    pd.testing.assert_index_equal(back.index, frame.index)
    pd.testing.assert_index_equal(back.columns, frame.columns)
    estimator.set_output(transform="default")
    assert_array_equal(back, estimator.inverse_transform(estimator.transform(frame)))


@over(DECODERS)
def test_polars_output(cls, X):
    frame = pl.DataFrame(X, schema=NAMES)
    estimator = quick(cls).set_output(transform="polars").fit(frame)
    codes = estimator.transform(frame)
    assert isinstance(codes, pl.DataFrame)
    assert codes.columns == list(estimator.get_feature_names_out())
    back = estimator.inverse_transform(codes)
    assert isinstance(back, pl.DataFrame)
    assert back.columns == NAMES
    estimator.set_output(transform="default")
    assert_array_equal(back, estimator.inverse_transform(estimator.transform(frame)))


# -- training -----------------------------------------------------------------------------------


@over(DECODERS)
def test_held_out_rows_are_rebuilt_better_than_by_the_column_means(cls, X):
    train, test = X[:60], X[60:]
    estimator = quick(cls, max_epochs=20).fit(train)
    assert reconstruction_error(estimator, test) < 0.9 * column_means_error(train, test)


@over(SCORERS)
def test_scores_are_not_constant(cls, X):
    scores = quick(cls, max_epochs=20).fit(X).score_samples(X)
    assert scores.std() > 1e-3 * abs(scores.mean())


@over([cls for cls in DETECTORS if cls not in SERIES])
def test_a_row_far_off_is_less_normal(cls, X):
    estimator = quick(cls, max_epochs=20).fit(X)
    far = X[:1] + 10 * X.std() * np.array([1, -1, 1, -1, 1, -1])
    assert estimator.score_samples(far)[0] < estimator.score_samples(X).min()
    assert estimator.predict(far)[0] == -1


@over(AUTOENCODERS)
def test_training_changes_every_weight(cls, X):
    # without decay, which would change them all by itself
    settings = {"weight_decay": 0.0, "early_stopping": False}
    start = quick(cls, max_epochs=0, **settings).fit(X).net_.module_
    trained = quick(cls, max_epochs=3, **settings).fit(X).net_.module_
    before = dict(start.named_parameters())
    after = dict(trained.named_parameters())
    assert before.keys() == after.keys()
    unchanged = [name for name in before if torch.equal(before[name], after[name])]
    assert not unchanged


@over(AUTOENCODERS)
def test_training_lowers_the_training_loss(cls, X):
    estimator = quick(cls, max_epochs=20).fit(X)
    assert estimator.loss_curve_[-1] < estimator.loss_curve_[0]


# -- missing entries ----------------------------------------------------------------------------


@over([cls for cls in ESTIMATORS if get_tags(cls()).input_tags.allow_nan])
def test_missing_entries_are_taken_everywhere(cls, X, X_missing):
    estimator = quick(cls).fit(X_missing)
    assert np.isfinite(getattr(estimator, "offset_", 0.0))
    for rows in (X, X_missing):
        for name, array in answers(estimator, rows).items():
            assert np.isfinite(array).all(), name
    # and where no entry was missing in fit
    for name, array in answers(quick(cls).fit(X), X_missing).items():
        assert np.isfinite(array).all(), name


@over(AUTOENCODERS)
def test_missing_entries_have_no_influence_on_the_loss(cls, X_missing):
    """Whatever stands where an entry is not known, loss and gradient are the same to the bit."""
    estimator = quick(cls).fit(X_missing)
    net, x = estimator.net_, torch.tensor(X_missing, dtype=torch.float32)
    beside = estimator._inputs(X_missing).condition
    if beside is not None:
        beside = torch.tensor(beside, dtype=torch.float32, device=estimator.device_)
    rows = Batch.of(net.module_.units(x.to(estimator.device_)), condition=beside)
    assert rows.observed is not None

    def loss_and_gradients(filler):
        target = rows.target.masked_fill(~rows.observed, filler)
        batch = Batch(rows.x, target, rows.observed, rows.condition)
        net.module_.eval()
        net.module_.zero_grad()
        loss = net.criterion_(net.module_(*batch.inputs), batch, net.module_)
        loss.backward()
        return [loss.item(), *(p.grad.cpu().clone() for p in net.module_.parameters())]

    for one, other in zip(loss_and_gradients(0.0), loss_and_gradients(1e6), strict=True):
        assert_array_equal(one, other)


# The others do not look at what is missing, and an unknown rating is none.
@over([cls for cls in DECODING if cls is not RatingAutoencoder])
def test_a_missing_entry_counts_as_the_mean_of_its_column(cls, fitted, X, X_missing):
    estimator = fitted(cls)
    filled = np.where(np.isnan(X_missing), X.mean(axis=0), X_missing)
    assert_allclose(
        estimator.transform(X_missing), estimator.transform(filled), rtol=1e-4, atol=1e-5
    )


# -- the outlier methods ------------------------------------------------------------------------


@over(having("score_samples", "score"))
def test_score_is_the_mean_of_the_scores(cls, fitted, X):
    estimator = fitted(cls)
    score = estimator.score(X, np.zeros(len(X)))
    assert isinstance(score, float)
    scores = estimator.score_samples(X)
    assert score == pytest.approx(scores.mean(), rel=1e-12)
    weights = np.arange(len(X))
    weighted = estimator.score(X, sample_weight=weights)
    assert weighted == pytest.approx(weights @ scores / weights.sum(), rel=1e-12)


@over(DETECTORS)
def test_decisions_and_labels_follow_from_the_scores(cls, fitted, X):
    estimator = fitted(cls)
    decisions = estimator.decision_function(X)
    assert_array_equal(decisions, estimator.score_samples(X) - estimator.offset_)
    assert_array_equal(estimator.predict(X), np.where(decisions < 0, -1, 1))


@over([cls for cls in DETECTORS if "contamination" in cls().get_params()])
@pytest.mark.parametrize("contamination", [0.05, 0.25, 0.5])
def test_contamination_is_the_share_of_outliers_in_training(cls, contamination, X):
    labels = quick(cls, contamination=contamination).fit_predict(X)
    assert (labels == -1).mean() == pytest.approx(contamination, abs=1 / len(X))


# -- failures -----------------------------------------------------------------------------------


def assert_unchanged(estimator, before):
    after = vars(estimator)
    assert after.keys() == before.keys()
    changed = [name for name in before if after[name] is not before[name]]
    assert not changed


@over(ESTIMATORS)
@pytest.mark.parametrize("state", ["unfitted", "fitted"])
def test_a_fit_refused_leaves_the_estimator_as_it_was(cls, state, X):
    estimator = quick(cls)
    if state == "fitted":
        estimator.fit(X)
        said = answers(estimator, X)
    before = dict(vars(estimator))
    methods = [estimator.fit]
    if hasattr(cls, "partial_fit"):
        methods.append(estimator.partial_fit)
    for method in methods:
        with pytest.raises(ValueError, match="infinity"):
            method(np.where(X > 0.5, np.inf, X)[:, :4])
        assert_unchanged(estimator, before)
    if state == "fitted":
        for name, array in answers(estimator, X).items():
            assert_array_equal(array, said[name], err_msg=name)


@over(AUTOENCODERS)
@pytest.mark.parametrize("state", ["unfitted", "fitted", "warm_start"])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_fit_that_diverges_says_so_and_leaves_the_estimator_as_it_was(
    cls, state, early_stopping, X
):
    estimator = quick(cls, early_stopping=early_stopping, warm_start=state == "warm_start")
    if state != "unfitted":
        estimator.fit(X)
        said = answers(estimator, X)
    estimator.set_params(lr=1e20)
    before = dict(vars(estimator))
    with pytest.raises(ValueError, match=r"loss is (nan|inf).*[Ll]ower lr \(it was 1e\+20\)"):
        estimator.fit(X)
    assert_unchanged(estimator, before)
    if state != "unfitted":
        for name, array in answers(estimator, X).items():
            assert_array_equal(array, said[name], err_msg=name)


@over(AUTOENCODERS)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_last_step_that_diverges_is_noticed(cls, method, X):
    """The loss of a step is that before it: what the last step did shows in no training loss."""
    X = X.astype(np.float32)
    estimator = quick(cls, lr=1e20, batch_size=len(X), max_epochs=1)
    with pytest.raises(ValueError, match="lr"):
        getattr(estimator, method)(X)
    assert not hasattr(estimator, "net_")


class Interrupt(Callback):
    """Ctrl-C at the end of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise KeyboardInterrupt


@over(AUTOENCODERS)
@pytest.mark.parametrize("refit", [True, False])
# With no ConvergenceWarning: who interrupts knows that it was cut short.
@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_an_interrupt_keeps_what_was_trained(cls, refit, X):
    # Without a refit the callbacks watch the choice of the number of epochs.
    settings = {"max_epochs": 20, "early_stopping": not refit, "refit": refit}
    estimator = quick(cls, callbacks=[Interrupt(2)], keep_interrupted=True, **settings)
    with pytest.warns(UserWarning, match="Ctrl-C"):
        estimator.fit(X)
    assert estimator.interrupted_
    assert len(estimator.net_.history) == 2
    assert len(estimator.loss_curve_) == estimator.n_iter_
    if refit:
        assert estimator.n_iter_ in (1, 2)
        start = quick(cls, max_epochs=0).fit(X)
        assert not np.array_equal(estimator.transform(X), start.transform(X))
    for name, array in answers(estimator, X).items():
        assert np.isfinite(array).all(), name
    with pytest.warns(match="max_epochs=3"):
        estimator.set_params(callbacks=None, max_epochs=3).fit(X)
