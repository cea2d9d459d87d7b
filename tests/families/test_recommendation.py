"""Ratings and choices: what is not known has no say, and users that are new get their items."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from discovery import quick
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multinomial
from sklearn.base import clone

from skae import MultinomialVariationalAutoencoder, RatingAutoencoder
from skae.base import ease
from skae.base.recommender import HIDDEN_SHARE
from skae.engine.batches import Batch, SparseRows
from skae.families.ratings import SHRINKAGE, observed
from skae.nn.autoencoder import Units
from skae.nn.likelihoods import SoftmaxLikelihood

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=", "ignore:Posterior collapse")
BOTH = [RatingAutoencoder, MultinomialVariationalAutoencoder]
N_USERS, N_ITEMS = 120, 30


def over(classes):
    return pytest.mark.parametrize("cls", classes, ids=lambda cls: cls.__name__)


@pytest.fixture(scope="module")
def stars():
    """From 1 to 5, by tastes of rank two: all of them."""
    rng = np.random.default_rng(0)
    tastes = rng.normal(size=(N_USERS, 2)) @ rng.normal(size=(2, N_ITEMS))
    popular = rng.normal(size=N_ITEMS)
    return np.clip(np.round(3 + tastes + 0.5 * popular), 1, 5)


@pytest.fixture(scope="module")
def X(stars):
    """Four of ten ratings."""
    known = np.random.default_rng(1).random(stars.shape) < 0.4
    return sp.csr_array(np.where(known, stars, 0))


@pytest.fixture(scope="module")
def fitted(X):
    models = {cls: quick(cls, max_epochs=20).fit(X) for cls in BOTH}
    models["items"] = quick(RatingAutoencoder, based_on="items", hidden_layer_sizes=()).fit(X)
    return models


def as_frame_of_nan(X):
    """The same ratings as a dense array."""
    X = X.toarray()
    return np.where(X == 0, np.nan, X)


# -- ratings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("biases", [True, False])
def test_a_sparse_x_equals_a_dense_one_with_nan(biases, early_stopping, X):
    settings = {"biases": biases, "early_stopping": early_stopping}
    from_sparse = quick(RatingAutoencoder, **settings).fit(X)
    from_dense = quick(RatingAutoencoder, **settings).fit(as_frame_of_nan(X))
    for name in ("transform", "reconstruct", "score_samples"):
        found = getattr(from_dense, name)(as_frame_of_nan(X))
        assert_allclose(found, getattr(from_sparse, name)(X), rtol=1e-6, atol=1e-7)
    assert_array_equal(from_sparse.recommend(X)[0], from_dense.recommend(as_frame_of_nan(X))[0])
    pairs = [3, 5], [2, 7]
    assert_allclose(
        from_dense.predict_ratings(*pairs), from_sparse.predict_ratings(*pairs), rtol=1e-6
    )


def test_a_stored_zero_and_a_zero_in_a_dense_x_are_ratings(X):
    """What is not stored is unknown."""
    ratings = X.copy()
    ratings.data -= 1
    assert (ratings.data == 0).any()
    model = quick(RatingAutoencoder).fit(ratings)
    assert model.rating_range_ == (0.0, 4.0)
    dense = np.where(X.toarray() == 0, np.nan, X.toarray() - 1)
    assert_allclose(quick(RatingAutoencoder).fit(dense).center_, model.center_)


@pytest.mark.parametrize("biases", [True, False])
def test_unknown_ratings_have_no_gradient(biases, X):
    """Exactly: neither what is predicted for them, nor the weights that lead there."""
    model = quick(RatingAutoencoder, biases=biases).fit(X)
    net, given = model.net_, model._check_given(X)
    batch = model._as_rows(given).take(np.arange(8)).dense()
    net.module_.train().zero_grad()
    output = net.module_(*batch.inputs)
    output.reconstruction.retain_grad()
    net.criterion_(output, batch, net.module_).backward()
    gradient = output.reconstruction.grad
    assert (gradient[~batch.observed] == 0).all()
    assert (gradient[batch.observed] != 0).all()
    unseen = ~batch.observed.any(0)
    nothing = Batch(batch.x, batch.target.where(batch.observed, 1e6), *batch[2:])
    net.module_.eval()
    losses = [net.criterion_(net.module_(*b.inputs), b, net.module_) for b in (batch, nothing)]
    assert losses[0] == losses[1]
    assert (net.module_.decoder.last.bias.grad[unseen] == 0).all()


def test_every_rating_counts_the_same(X):
    model = quick(RatingAutoencoder).fit(X)
    rows = model._as_rows(model._check_given(X)).dense()
    with torch.no_grad():
        output = model.net_.module_(*rows.inputs)
        loss = model.net_.criterion_(output, rows, model.net_.module_)
    squares = (output.reconstruction - rows.target)[rows.observed] ** 2
    assert loss.item() == pytest.approx(squares.mean().item(), rel=1e-5)


def test_biases_are_shrunk_means(X):
    model = quick(RatingAutoencoder).fit(X)
    users, items, ratings = observed(SparseRows(X, np.nan))
    of_users = model.transform(X)[:, -1]
    left = ratings - model.center_[items]
    for user in (0, 7):
        own = left[users == user]
        assert of_users[user] == pytest.approx(own.sum() / (SHRINKAGE + len(own)), abs=1e-6)
    left = ratings - ratings.mean() - of_users[users]
    own = left[items == 4]
    expected = ratings.mean() + own.sum() / (SHRINKAGE + len(own))
    assert model.center_[4] == pytest.approx(expected, abs=1e-3)
    without = quick(RatingAutoencoder, biases=False).fit(X)
    assert_allclose(without.center_, ratings.mean(), rtol=1e-6)


@pytest.mark.parametrize("based_on", ["users", "items"])
def test_unknown_ratings_are_predicted_better_than_by_biases(based_on, X, stars):
    model = RatingAutoencoder(32, based_on=based_on, random_state=0).fit(X)
    users, items = np.nonzero(X.toarray() == 0)
    truth = stars[users, items]
    by_biases = model.center_[items] + model.transform(X)[users, -1]
    if based_on == "items":  # the center has the mean user's vector too
        by_biases = quick(RatingAutoencoder, max_epochs=0).fit(X).center_[items]
    of_biases = np.mean((by_biases - truth) ** 2)
    assert np.mean((model.predict_ratings(users, items) - truth) ** 2) < 0.7 * of_biases
    as_new = model.predict_ratings(users, items, X)
    assert np.mean((as_new - truth) ** 2) < 0.8 * of_biases


@pytest.mark.parametrize("key", [RatingAutoencoder, "items"])
def test_predicted_ratings_are_clipped_and_of_the_shape_asked_for(key, fitted, X):
    model = fitted[key]
    grid = model.predict_ratings(np.arange(5)[:, None], np.arange(N_ITEMS))
    assert grid.shape == (5, N_ITEMS)
    assert grid.min() >= 1
    assert grid.max() <= 5
    assert model.predict_ratings(3, 4).shape == ()
    assert_allclose(model.predict_ratings(3, 4), grid[3, 4])
    assert_allclose(model.predict_ratings([4, 0, 4], [1, 2, 1]), grid[[4, 0, 4], [1, 2, 1]])
    as_new = model.predict_ratings([0, 1], 3, X[[4, 2]])
    assert_allclose(as_new, model.reconstruct(X)[[4, 2], 3].clip(1, 5), rtol=1e-6)


def test_predictions_do_not_depend_on_how_users_are_cut(fitted, X, monkeypatch):
    model = fitted[RatingAutoencoder]
    users, items = np.random.default_rng(0).integers((N_USERS, N_ITEMS), size=(500, 2)).T
    together = model.predict_ratings(users, items)
    monkeypatch.setattr("skae.engine.net.INFERENCE_ELEMENTS", 7 * N_ITEMS)
    monkeypatch.setattr("skae.engine.net.SPARSE_ROWS", 7)
    assert_allclose(model.predict_ratings(users, items), together, rtol=1e-6)


def test_what_cannot_be_predicted(fitted, X):
    model = fitted[RatingAutoencoder]
    with pytest.raises(ValueError, match=r"users must be from 0 to 119, but span \[0, 120\]"):
        model.predict_ratings([0, 120], 1)
    with pytest.raises(ValueError, match="items must be from 0 to 29"):
        model.predict_ratings(0, -1)
    with pytest.raises(ValueError, match="items must be integers"):
        model.predict_ratings(0, 1.5)
    with pytest.raises(ValueError, match="X has no rating"):
        RatingAutoencoder().fit(sp.csr_array((20, 5)))
    with pytest.raises(ValueError, match="takes no target"):
        quick(RatingAutoencoder).fit(X, target=X.toarray())
    with pytest.raises(ValueError, match="code_size must be at least 2"):
        RatingAutoencoder(1).fit(X)
    with pytest.raises(ValueError, match=r"shortcut='pca' is not for RatingAutoencoder"):
        RatingAutoencoder(shortcut="pca").fit(X)
    with pytest.raises(ValueError, match="based_on='items'.*hidden_layer_sizes"):
        RatingAutoencoder(based_on="items", hidden_layer_sizes=(4,)).fit(X)
    with pytest.raises(ValueError, match="based_on='items'.*use fit"):
        RatingAutoencoder(based_on="items").partial_fit(X)


def test_an_item_without_ratings_is_predicted_by_the_users_bias(X):
    X = sp.lil_array(X)
    X[:, 2] = 0
    model = quick(RatingAutoencoder, weight_decay=0.0).fit(sp.csr_array(X))
    assert np.isfinite(model.predict_ratings(np.arange(N_USERS), 2)).all()


@pytest.mark.parametrize("biases", [True, False])
def test_based_on_items_answers_for_users(biases, X):
    model = quick(RatingAutoencoder, based_on="items", hidden_layer_sizes=(), biases=biases).fit(X)
    codes = model.transform(X)
    assert codes.shape == (N_USERS, model.code_size_)
    assert_allclose(model.inverse_transform(codes), model.reconstruct(X), rtol=1e-6)
    assert model.predict(X).shape == (N_USERS,)
    copied = pickle.loads(pickle.dumps(model))
    assert_array_equal(copied.recommend(X)[0], model.recommend(X)[0])
    errors = np.where(X.toarray() > 0, (X.toarray() - model.reconstruct(X)) ** 2, np.nan)
    assert_allclose(model.score_samples(X), -np.nanmean(errors, axis=1) * N_ITEMS, rtol=1e-5)


def test_held_out_users_are_judged_by_what_is_hidden(X):
    model = quick(RatingAutoencoder).fit(X)
    for given in (X, as_frame_of_nan(X)):
        rows = model._as_rows(model._check_given(given))
        held, rows = model._hold_out(rows).dense(), rows.dense()
        if held.observed is None:
            continue
        assert not (held.observed & ~rows.observed).any()
        assert held.observed.sum() / rows.observed.sum() == pytest.approx(HIDDEN_SHARE, abs=0.05)
        assert (held.x[held.observed] == 0).all()
        assert not torch.equal(held.condition, rows.condition)
    assert len(quick(RatingAutoencoder, early_stopping=True).fit(X).validation_loss_curve_) > 1


# -- recommending -------------------------------------------------------------------------------


def by_least_squares(X, ridge):
    """EASE by its definition: each item by the others, item by item."""
    weights = np.zeros((X.shape[1], X.shape[1]))
    for item in range(X.shape[1]):
        others = np.delete(np.arange(X.shape[1]), item)
        squares = X[:, others].T @ X[:, others] + ridge * np.eye(len(others))
        weights[others, item] = np.linalg.solve(squares, X[:, others].T @ X[:, item])
    return weights


def z_score(scores):
    return (scores - scores.mean(1, keepdims=True)) / scores.std(1, keepdims=True)


@pytest.mark.parametrize("key", [*BOTH, "items"], ids=str)
def test_recommended_items_are_new_and_the_best_first(key, fitted, X):
    model = fitted[key]
    items, scores = model.recommend(X, n_items=4)
    assert items.shape == scores.shape == (N_USERS, 4)
    assert (np.diff(scores, axis=1) <= 0).all()
    rebuilt = model.reconstruct(X)
    if isinstance(model, MultinomialVariationalAutoencoder):
        known = X.toarray()
        of_items = by_least_squares(known, model.ease_ridge_ * model.scale_**2)
        rebuilt = (z_score(rebuilt) + z_score(known @ of_items)) / 2
    assert_allclose(scores, np.take_along_axis(rebuilt, items, axis=1), rtol=1e-5)
    assert not np.take_along_axis(X.toarray() > 0, items, axis=1).any()
    rebuilt[X.toarray() > 0] = -np.inf
    assert_allclose(scores, -np.sort(-rebuilt, axis=1)[:, :4], rtol=1e-5)
    everything, _ = model.recommend(X, n_items=N_ITEMS, exclude_seen=False)
    assert_array_equal(np.sort(everything, axis=1)[0], np.arange(N_ITEMS))


@pytest.mark.parametrize("key", [*BOTH, "items"], ids=str)
def test_new_users(key, fitted, X, stars):
    model = fitted[key]
    new = sp.csr_array(np.where(np.random.default_rng(5).random((7, N_ITEMS)) < 0.3, 5.0, 0))
    items, scores = model.recommend(new, n_items=3)
    assert np.isfinite(scores).all()
    alone, _ = model.recommend(new[[2]], n_items=3)
    assert_array_equal(alone[0], items[2])


@pytest.mark.parametrize("key", [*BOTH, "items"], ids=str)
def test_a_user_of_whom_nothing_is_known_gets_what_is_popular(key, fitted):
    model = fitted[key]
    items, scores = model.recommend(sp.csr_array((2, N_ITEMS)), n_items=5)
    assert_array_equal(items[0], np.argsort(-model.center_, kind="stable")[:5])
    assert np.isfinite(scores).all()
    if key is RatingAutoencoder:
        expected = model.center_.clip(1, 5)
        empty = sp.csr_array((1, N_ITEMS))
        assert_allclose(model.predict_ratings(0, np.arange(N_ITEMS), empty), expected)


@over(BOTH)
def test_too_few_items_left(cls, fitted, stars):
    items, scores = fitted[cls].recommend(stars[:2], n_items=2)
    assert (items == -1).all()
    assert (scores == -np.inf).all()
    for n_items in (0, N_ITEMS + 1, 2.5):
        with pytest.raises(ValueError, match="n_items, .* at least 1 and at most 30"):
            fitted[cls].recommend(stars, n_items=n_items)


@over(BOTH)
def test_users_are_dense_a_few_at_a_time(cls, fitted, monkeypatch):
    """1 200 000 x 10 000 ratings in float32 would be 45 GiB."""
    rng = np.random.default_rng(0)
    place = rng.integers(1_200_000, size=5000), rng.integers(10_000, size=5000)
    X = sp.coo_array((rng.integers(1, 6, size=5000), place), shape=(1_200_000, 10_000)).tocsr()
    model = quick(cls, max_epochs=1, batch_size=32).fit(X[np.unique(place[0])[:64]])
    given = model._check_given(X, reset=cls is RatingAutoencoder)
    assert model._as_rows(given).x.matrix.nnz == X.nnz
    items, _ = model.recommend(X[-10:], n_items=3)
    assert items.shape == (10, 3)


# -- choices ------------------------------------------------------------------------------------


def test_the_log_likelihood_is_scipys_with_its_constant(X):
    """No constant is left out."""
    counts = X.toarray()[:20]
    center, scale = torch.from_numpy(counts.mean(axis=0)), torch.tensor(2.0).double()
    units, likelihood = Units(center, scale), SoftmaxLikelihood(N_ITEMS)
    location = torch.randn(20, N_ITEMS, generator=torch.Generator().manual_seed(0)).double()
    distribution = likelihood(location, units)
    rows = likelihood.log_prob(distribution, units(torch.from_numpy(counts)), units).sum(-1)
    shares = distribution.probs.numpy()
    popularity = counts.mean(axis=0) * np.exp(location.numpy())
    assert_allclose(shares, popularity / popularity.sum(axis=1, keepdims=True), rtol=1e-6)
    expected = [
        multinomial.logpmf(x, x.sum(), p / p.sum()) for x, p in zip(counts, shares, strict=True)
    ]
    assert_allclose(rows.numpy(), expected, rtol=1e-6)


def test_choices_are_told_from_each_other(X):
    """Two groups of users, and of items: what a user has chosen says which are his."""
    rng = np.random.default_rng(0)
    group = np.arange(200) % 2
    likes = group[:, None] == np.arange(40) % 2
    X = sp.csr_array((rng.random(likes.shape) < np.where(likes, 0.4, 0.03)).astype(float))
    model = quick(MultinomialVariationalAutoencoder, max_epochs=25).fit(X[:150])
    items, _ = model.recommend(X[150:], n_items=5)
    assert np.mean(items % 2 == group[150:, None]) > 0.9
    assert (
        len(model.set_params(early_stopping=True, max_epochs=11).fit(X).validation_loss_curve_) > 10
    )


def test_what_is_no_choice(X):
    model = quick(MultinomialVariationalAutoencoder)
    with pytest.raises(ValueError, match="Negative values.*has -1"):
        model.fit(-sp.csr_array(np.eye(5)))
    with pytest.raises(ValueError, match="X contains NaN.*RatingAutoencoder"):
        model.fit(as_frame_of_nan(X))
    with pytest.raises(ValueError, match="Negative values"):
        model.fit(X, target=-X.toarray())
    with pytest.raises(ValueError, match="likelihood"):
        model.set_params(likelihood="poisson").fit(X)
    assert not hasattr(model, "net_")


def test_the_scale_of_a_row_does_not_matter_to_its_code(X):
    model = quick(MultinomialVariationalAutoencoder).fit(X)
    assert_allclose(model.transform(3 * X), model.transform(X), rtol=1e-5, atol=1e-6)


# -- as estimators ------------------------------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [True, False])
@over(BOTH)
def test_one_seed_gives_the_same_bits_and_copies_keep_them(cls, early_stopping, X):
    model = quick(cls, early_stopping=early_stopping).fit(X)
    same = clone(model).fit(X)
    for other in (same, pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert_array_equal(other.transform(X), model.transform(X))
        assert_array_equal(other.recommend(X)[0], model.recommend(X)[0])


@over(BOTH)
def test_partial_fit_and_the_precision_of_x(cls, X):
    single = X.astype(np.float32)
    model = quick(cls).partial_fit(single).partial_fit(single)
    assert model.recommend(single)[1].dtype == np.float32
    assert model.recommend(X)[1].dtype == np.float64


@over(BOTH)
def test_a_failed_fit_leaves_the_estimator_as_it_was(cls, X):
    model = quick(cls).fit(X)
    before = dict(vars(model))
    broken = sp.csr_array(X)[:, :10]
    broken.data[0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        model.fit(broken)
    model.set_params(lr=1e20)
    before["lr"] = 1e20
    with pytest.raises(ValueError, match="[Ll]ower lr"):
        model.fit(X)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is before[name] for name in before)


# -- EASE ---------------------------------------------------------------------------------------


def recommended(X, n=10, **settings):
    settings = {"hidden_layer_sizes": (8,), "random_state": 0, "max_epochs": 3, **settings}
    model = MultinomialVariationalAutoencoder(4, **settings).fit(X)
    return model, model.recommend(X, n)


def test_the_weight_goes_from_the_net_to_ease(X):
    net, (_, scores) = recommended(X, ease_weight=0)
    assert net.ease_precision_ is None
    seen = X.toarray() > 0
    rebuilt = np.where(seen, -np.inf, net.reconstruct(X))
    assert_allclose(scores, -np.sort(-rebuilt, axis=1)[:, :10], rtol=1e-6)
    ease, (items, _) = recommended(X, ease_weight=1, max_epochs=0, ease_ridge=30.0)
    expected = np.where(seen, -np.inf, X.toarray() @ by_least_squares(X.toarray(), 30.0))
    assert_array_equal(items, np.argsort(-expected, axis=1)[:, :10])
    assert ease.ease_ridge_ * ease.scale_**2 == pytest.approx(30)


def test_recommendations_do_not_depend_on_the_unit_of_choices(X):
    _, (items, scores) = recommended(X, ease_weight=1, max_epochs=0)
    for unit in 1e-12, 1e9:
        _, (others, of_others) = recommended(X * unit, ease_weight=1, max_epochs=0)
        assert_allclose(of_others, scores, rtol=1e-4)
        assert (others == items).mean() > 0.99


def test_rows_that_come_later_join_ease(X):
    both = quick(MultinomialVariationalAutoencoder, ease_ridge=20.0).partial_fit(X[:70])
    ridge = both.ease_ridge_
    both.partial_fit(X[70:])
    matrix = X.toarray() / both.scale_
    expected = np.linalg.inv(matrix.T @ matrix + ridge * np.eye(N_ITEMS))
    assert_allclose(both.ease_precision_, expected, rtol=1e-3, atol=1e-5 * expected.max())


def test_held_out_users_choose_the_weight(X):
    """Where items are chosen in pairs the linear model knows all; a net of one step nothing."""
    pairs = np.random.default_rng(0).random((300, 15)) < 0.2
    X = sp.csr_array(np.repeat(pairs, 2, axis=1).astype(float))
    model, _ = recommended(X, early_stopping=True, max_epochs=1, lr=1e-6)
    assert model.ease_weight_ >= 0.5
    other, _ = recommended(X, max_epochs=1)
    assert other.ease_weight_ == 0.5


def test_the_joint_recommends_better_than_either():
    """Tastes that are curved, and pairs of items: the net learns one, EASE the other."""
    rng = np.random.default_rng(0)
    angle, at = rng.uniform(0, 2 * np.pi, 700), np.linspace(0, 2 * np.pi, 40, endpoint=False)
    likes = rng.random((700, 40)) < 0.5 * np.exp(4 * (np.cos(angle[:, None] - at) - 1))
    pairs = np.repeat(rng.random((700, 10)) < 0.15, 2, axis=1)
    X = np.hstack([likes, pairs]).astype(float)
    train, new = X[:400], X[400:]
    hidden = (rng.random(new.shape) < 0.3) & (new > 0)
    shown = sp.csr_array(np.where(hidden, 0, new))
    found = {}
    for weight in 0, 0.5, 1:
        model, _ = recommended(train, ease_weight=weight, max_epochs="auto")
        items, _ = model.recommend(shown, 5)
        found[weight] = np.take_along_axis(hidden, items, axis=1).sum() / hidden.sum()
    assert found[0.5] > max(found[0], found[1])


def test_items_beyond_the_path(X, monkeypatch):
    """Those chosen least are recommended by the net alone."""
    monkeypatch.setattr(ease, "MOST_ITEMS", 7)
    model, (items, scores) = recommended(X, N_ITEMS, ease_weight=1, max_epochs=0)
    popular = np.argsort(-(X.toarray() > 0).sum(0), kind="stable")[:7]
    assert_array_equal(model.ease_items_, np.sort(popular))
    assert np.isfinite(scores[items >= 0]).all()


def test_a_ridge_that_is_too_small_is_named(X):
    with pytest.raises(ValueError, match="ease_ridge is too small"):
        recommended(sp.csr_array(np.repeat(X.toarray(), 2, axis=1)), ease_ridge=1e-300)
