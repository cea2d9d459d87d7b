"""The imputer, the fill before an encoder, and the variational family's importance-weighted one."""

import copy

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from discovery import AUTOENCODERS, over, quick
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer

from skae import (
    Autoencoder,
    AutoencoderImputer,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    MaskedAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from skae.around.prototypes import held_out_ratio
from skae.engine.batches import Batch
from skae.nn.autoencoder import find
from skae.nn.filling import GaussianFill
from skae.rows.given import Given

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")
INNER = [
    quick(DenoisingAutoencoder, noise="masking"),
    quick(Autoencoder),
    quick(VariationalAutoencoder),
    quick(VariationalAutoencoder, likelihood="student_t", objective="iwae"),
    quick(MaskedAutoencoder, code_size=8, depth=1),
]


def over_inner(argument="inner"):
    return pytest.mark.parametrize(argument, INNER, ids=lambda inner: type(inner).__name__)


def make(inner=INNER[0], **params):
    return AutoencoderImputer(inner, random_state=0, **params)


@pytest.fixture(scope="module")
def frame():
    """Two numbers and two categories that they decide, a tenth of each missing."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(200, 2))
    where = np.array(["left", "right"])[(numbers[:, 0] > 0).astype(int)]
    kind = np.array(["a", "b", "c"])[np.digitize(numbers[:, 1], [-0.5, 0.5])]
    frame = pd.DataFrame({"u": numbers[:, 0], "where": where, "v": numbers[:, 1], "kind": kind})
    frame = frame.astype({"kind": "category"})
    return frame.mask(np.random.default_rng(1).random(frame.shape) < 0.1)


@pytest.mark.parametrize("X", [pd.DataFrame(), pd.DataFrame(index=range(5)), pl.DataFrame()])
def test_a_frame_without_columns(X, frame):
    with pytest.raises(ValueError, match="X is a frame without columns"):
        make().fit(X)
    with pytest.raises(ValueError, match="X is a frame without columns"):
        make().fit(frame).transform(X)


# -- numbers ------------------------------------------------------------------------------------


@over_inner()
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sample_posterior", [False, True])
def test_holes_are_filled_and_what_is_observed_keeps_its_bits(
    inner, dtype, sample_posterior, X_missing
):
    X = 1e3 * X_missing.astype(dtype) + 7
    filled = make(inner, sample_posterior=sample_posterior).fit_transform(X)
    assert filled.dtype == dtype
    assert np.isfinite(filled).all()
    observed = ~np.isnan(X)
    assert_array_equal(filled[observed].view(np.uint8), X[observed].view(np.uint8))


@pytest.mark.parametrize("inner", INNER[:2], ids=["denoising", "plain"])
def test_what_is_filled_is_what_the_code_stands_for(inner, X_missing):
    imputer = make(inner).fit(X_missing)
    autoencoder = imputer.autoencoder_
    rebuilt = autoencoder.inverse_transform(autoencoder.transform(X_missing))
    holes = np.isnan(X_missing)
    assert_allclose(imputer.transform(X_missing)[holes], rebuilt[holes], rtol=1e-9)


@over_inner()
def test_what_stands_for_a_missing_entry_does_not_matter(inner, X_missing):
    expected = make(inner).fit_transform(X_missing)
    marked = np.where(np.isnan(X_missing), -1, X_missing)
    assert_array_equal(make(inner, missing_values=-1).fit_transform(marked), expected)


def test_unobserved_entries_have_no_gradient(X_missing):
    """Neither as a target nor, through what is filled, as an input."""
    autoencoder = quick(DenoisingAutoencoder, noise="masking").fit(X_missing)
    net, rows = autoencoder.net_, autoencoder._as_rows(Given(X_missing))
    x, target = (tensor.clone().requires_grad_() for tensor in (rows.x, rows.target))
    module = net.module_.eval()
    net.criterion_(module(x), Batch(x, target, rows.observed), module).backward()
    for gradient in (x.grad, target.grad):
        assert (gradient[~rows.observed] == 0).all()
        assert (gradient[rows.observed] != 0).any()


@over_inner()
def test_a_row_with_nothing_observed_becomes_the_training_mean(inner, X_missing):
    imputer = make(inner).fit(X_missing)
    nothing = np.vstack([X_missing[:3], np.full((1, 6), np.nan)])
    with pytest.warns(UserWarning, match=r"1 row\(s\) of X .*first is row 3.*training mean"):
        filled = imputer.transform(nothing)
    assert_allclose(filled[3], np.nanmean(X_missing, axis=0))
    assert_allclose(filled[:3], imputer.transform(X_missing[:3]))


def test_rows_with_nothing_observed_do_not_matter_to_fit(X_missing):
    nothing = np.vstack([X_missing, np.full((4, 6), np.nan)])
    assert_array_equal(
        make().fit(nothing).transform(X_missing), make().fit(X_missing).transform(X_missing)
    )


@pytest.mark.parametrize("keep", [True, False])
def test_empty_columns_are_handled_as_by_the_simple_imputer(keep, X_missing):
    X = X_missing.copy()
    X[:, [0, 3]] = np.nan
    ours, simple = make(keep_empty_features=keep), SimpleImputer(keep_empty_features=keep)
    if keep:
        filled = ours.fit_transform(X)
    else:
        with pytest.warns(UserWarning, match=r"Column\(s\) \[0, 3\] have no observed entry"):
            filled = ours.fit_transform(X)
    expected = simple.fit_transform(X)
    assert filled.shape == expected.shape
    assert_array_equal(ours.get_feature_names_out(), simple.get_feature_names_out())
    if keep:
        assert_array_equal(filled[:, [0, 3]], expected[:, [0, 3]])


def test_the_indicator_and_names_are_as_of_the_simple_imputer(X_missing):
    names = [f"column {j}" for j in range(6)]
    table = pd.DataFrame(X_missing, columns=names, index=np.arange(80) + 5)
    ours, simple = (
        imputer.set_output(transform="pandas")
        for imputer in (make(add_indicator=True), SimpleImputer(add_indicator=True))
    )
    filled, expected = ours.fit_transform(table), simple.fit_transform(table)
    assert list(filled.columns) == list(expected.columns)
    pd.testing.assert_frame_equal(filled.iloc[:, 6:], expected.iloc[:, 6:])
    assert_array_equal(filled.index, table.index)
    assert_array_equal(ours.indicator_.features_, simple.indicator_.features_)


def test_wine_is_filled_better_than_by_the_means():
    X = load_wine().data
    hidden = np.random.default_rng(0).random(X.shape) < 0.2
    filled = AutoencoderImputer(random_state=0).fit_transform(np.where(hidden, np.nan, X))
    errors = [((rows - X) / X.std(axis=0))[hidden] ** 2 for rows in (filled, X.mean(axis=0))]
    assert errors[0].mean() < 0.65 * errors[1].mean()


# -- draws --------------------------------------------------------------------------------------


def test_errors_are_those_of_rows_that_the_net_has_not_seen():
    """Draws are wider by what early stopping saw of rows that it held out."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 8)) + 0.5 * rng.normal(size=(60, 8))
    X[rng.random(X.shape) < 0.1] = np.nan
    imputer = AutoencoderImputer(quick(DenoisingAutoencoder, early_stopping=True)).fit(X)
    inside, Z = copy.copy(imputer.autoencoder_), np.nan_to_num(X)
    seen = inside._loss_as_held_out(Z)
    inside.validation_loss_curve_ = [16 * seen, 4 * seen, seen / 2]
    for n_iter, ratio in enumerate((4, 2, 1)):
        inside.n_iter_ = n_iter
        assert held_out_ratio(inside, Z) == pytest.approx(ratio)
    inside.validation_loss_curve_ = None
    assert held_out_ratio(inside, Z) == 1
    narrow, wide = copy.copy(imputer), copy.copy(imputer)
    wide.autoencoder_, narrow.autoencoder_ = copy.copy(inside), inside
    wide.autoencoder_.validation_loss_curve_ = [4 * seen] * 10
    for other in (narrow, wide):
        other._learn_errors(Z)
    for few, many in zip(narrow._errors, wide._errors, strict=True):
        assert_allclose(many, 2 * few, rtol=0.05)  # noise is drawn anew
        assert len(few) == len(Z)  # of so few rows each entry was hidden once


@over_inner()
def test_draws_differ_by_seed_and_one_seed_gives_the_same_bits(inner, X_missing):
    imputer, holes = make(inner, n_imputations=3).fit(X_missing), np.isnan(X_missing)
    tables = imputer.multiple_imputations(X_missing)
    assert len(tables) == 3
    for table in tables:
        assert_array_equal(table[~holes], X_missing[~holes])
    assert (tables[0][holes] != tables[1][holes]).mean() > 0.8
    assert_array_equal(tables, imputer.multiple_imputations(X_missing))
    others = imputer.multiple_imputations(X_missing, random_state=1)
    assert not np.array_equal(tables, others)
    assert_array_equal(others, imputer.multiple_imputations(X_missing, random_state=1))


def test_importance_weights_give_the_conditional_expectation(X, X_missing):
    """Of probabilistic PCA, which is what a linear variational autoencoder is at its start."""
    vae = VariationalAutoencoder(2, hidden_layer_sizes=(), max_epochs=0, random_state=0).fit(X)
    decoder = find(vae.net_.module_.decoder, torch.nn.Linear)
    axes = decoder.weight.detach().double().numpy() * vae.scale_
    noise = np.exp(2 * vae.net_.module_.likelihood.log_dispersion.detach().double().numpy())
    covariance = axes @ axes.T + np.diag(noise * vae.scale_**2)
    rows = X_missing[np.isnan(X_missing).any(axis=1)]
    filled = vae._impute(Given(rows))
    draws = vae._impute(Given(rows), n_draws=300)
    off = []  # of the weighted mean, and mean and spread of the draws, in standard deviations
    for row, one, many in zip(rows, filled, draws.swapaxes(0, 1), strict=True):
        o = ~np.isnan(row)
        weights = covariance[:, o] @ np.linalg.inv(covariance[np.ix_(o, o)])
        expected = vae.center_ + weights @ (row - vae.center_)[o]
        spread = np.sqrt(np.diag(covariance - weights @ covariance[o]).clip(0))[~o]
        both = (one - expected)[~o], (many.mean(axis=0) - expected)[~o]
        off.append(np.array([*both, many.std(axis=0)[~o] - spread]) / spread)
    assert (np.sqrt(np.mean(np.hstack(off) ** 2, axis=1)) < [0.15, 0.15, 0.1]).all()


def test_chunks_of_draws_add_up(X_missing, monkeypatch):
    vae = quick(VariationalAutoencoder).fit(X_missing)
    whole = vae._impute(Given(X_missing))
    monkeypatch.setattr("skae.nn.variational.DRAWN_ELEMENTS", 7 * X_missing.size)
    assert_allclose(vae._impute(Given(X_missing)), whole, rtol=1e-9)


# -- categories ---------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", [None, INNER[2], INNER[3], INNER[4]])
def test_a_mixed_frame_comes_back_as_it_went_in(inner, frame):
    if inner is None:
        inner = quick(DenoisingAutoencoder, noise="masking", code_size=7, hidden_layer_sizes=())
    imputer = make(inner, n_imputations=2).set_output(transform="pandas").fit(frame)
    for filled in (imputer.transform(frame), *imputer.multiple_imputations(frame)):
        assert not filled.isna().any(axis=None)
        assert_array_equal(filled.dtypes, frame.dtypes)
        assert_array_equal(filled.columns, frame.columns)
        for name in frame:
            known = frame[name].notna()
            assert_array_equal(filled[name][known], frame[name][known])


def test_categories_are_learned(frame):
    whole = frame.dropna()
    gaps = whole.copy()
    gaps.loc[gaps.index[::4], "where"] = None
    imputer = AutoencoderImputer(random_state=0).set_output(transform="pandas")
    filled = imputer.fit_transform(gaps)
    assert (filled["where"] == whole["where"])[::4].mean() > 0.9


def test_the_frame_the_array_and_polars_say_the_same(frame):
    expected = make().set_output(transform="pandas").fit_transform(frame)
    array = frame.astype(object).to_numpy()
    for columns in ([1, 3], [False, True, False, True]):
        filled = make(categorical_features=columns).fit_transform(array)
        assert filled.dtype == object
        assert_array_equal(filled, expected.astype(object).to_numpy())
    named = make(categorical_features=["where", "kind"]).fit(frame).transform(frame)
    assert_array_equal(named, expected.astype(object).to_numpy())
    columns = frame.astype(object).where(frame.notna(), None).to_dict("list")
    table = pl.DataFrame(columns)
    filled = make().set_output(transform="polars").fit_transform(table)
    assert filled.schema == table.schema
    assert filled["where"].to_list() == expected["where"].to_list()
    assert_allclose(filled["u"], expected["u"])


def test_a_new_category_stays_and_tells_nothing(frame):
    imputer = make().set_output(transform="pandas").fit(frame)
    rows = frame.iloc[:4].assign(where=["above", "above", None, "left"], u=[np.nan, 1.0, 1.0, 1.0])
    filled = imputer.transform(rows)
    assert filled["where"].tolist()[:2] == ["above", "above"]
    assert filled["where"].iloc[2] in ("left", "right")
    unknown = imputer.transform(rows.assign(where=[None, None, None, "left"]))
    assert filled["u"].iloc[0] == unknown["u"].iloc[0]


def test_categories_are_hidden_whole(frame):
    imputer = make().fit(frame)
    autoencoder = imputer.autoencoder_
    noise, groups = autoencoder._make_noise(), autoencoder._format.groups
    noisy = noise.train()(torch.ones(500, autoencoder._format.n_numbers))
    for group in groups:
        assert (noisy[:, group].std(1) == 0).all()
    assert [group.stop - group.start for group in groups] == [2, 3]


# -- what fills before the encoder --------------------------------------------------------------


def test_gaussian_fill_is_the_conditional_expectation():
    rng = np.random.default_rng(0)
    covariance = np.cov(rng.normal(size=(4, 40)) + rng.normal(size=40))
    fill = GaussianFill(4).double()
    fill.covariance.copy_(torch.from_numpy(covariance))
    fill.mean.fill_(0.1)
    row = np.array([[0.7, 0.0, -1.2, 0.0, 5.0]])  # the last number stands beside the row
    weights = covariance[np.ix_([1, 3], [0, 2])] @ np.linalg.inv(covariance[np.ix_([0, 2], [0, 2])])
    expected = 0.1 + weights @ (row[0, [0, 2]] - 0.1)
    assert_allclose(fill(torch.from_numpy(row))[0, [1, 3]], expected)
    assert_array_equal(fill(torch.from_numpy(row))[0, [0, 2, 4]], row[0, [0, 2, 4]])


def test_em_finds_the_covariance_that_holes_hide():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.multivariate_normal([0, 0], [[1.0, 0.8], [0.8, 1.0]], 4000))
    # Wherever the first is large the second is missing: its mean is not that of the observed.
    x[x[:, 0] > 0, 1] = 0.0
    fill = GaussianFill(2).double()
    torch.manual_seed(0)
    fill.learn(x)
    assert_allclose(fill.mean, [0, 0], atol=0.15)
    assert_allclose(fill.covariance, [[1.0, 0.8], [0.8, 1.0]], atol=0.15)


def test_the_fill_changes_nothing_where_nothing_is_missing(X):
    auto, mean = (quick(Autoencoder, fill=fill).fit(X) for fill in ("auto", "mean"))
    assert find(auto.net_.module_, GaussianFill) is None
    assert_array_equal(auto.transform(X), mean.transform(X))


def test_fills_are_better_than_the_means(X, X_missing):
    holes = np.isnan(X_missing)
    errors = [
        np.mean(
            (quick(Autoencoder, fill=fill).fit(X_missing).reconstruct(X_missing) - X)[holes] ** 2
        )
        for fill in ("auto", "mean")
    ]
    assert errors[0] < 0.8 * errors[1]


def test_complete_rows_teach_to_fill(X, X_missing):
    imputer = make().fit(X)
    assert find(imputer.autoencoder_.net_.module_, GaussianFill) is not None
    holes = np.isnan(X_missing)
    assert np.mean((imputer.transform(X_missing) - X)[holes] ** 2) < 0.5 * X.var()


# -- errors -------------------------------------------------------------------------------------


def test_errors(X, X_missing, frame):
    with pytest.raises(TypeError, match="RandomForestClassifier, but must be an autoencoder"):
        make(RandomForestClassifier()).fit(X)
    with pytest.raises(ValueError, match="no observed entry at all.*missing_values"):
        make().fit(np.full((5, 2), np.nan))
    with pytest.raises(ValueError, match="names \\['who'\\]"):
        make(categorical_features=["who"]).fit(frame)
    with pytest.raises(ValueError, match="mask of 4 bools"):
        make(categorical_features=[7]).fit(frame)
    with pytest.raises(ValueError, match="could not convert"):
        make(categorical_features=None).fit(np.array([["red", "blue"], ["green", "red"]]))
    with pytest.raises(ValueError, match="fill='gaussian' is for the columns of a table"):
        quick(ConvolutionalAutoencoder, fill="gaussian").fit(X_missing)
    with pytest.raises(ValueError, match="fill='gaussian' would do nothing"):
        StackedAutoencoder(fill="gaussian").fit(X_missing)
    with pytest.raises(ValueError, match="needs X in"):
        make(VariationalAutoencoder(likelihood="bernoulli")).fit(X)


def test_an_entry_at_the_mean_is_not_taken_for_a_missing_one():
    rows = np.random.default_rng(0).integers(-2, 3, size=(60, 5)).astype(float)
    rows = np.vstack([rows, -rows, np.full((1, 5), np.nan)])
    rows[-1, 0] = 0
    ae = quick(Autoencoder).fit(rows)
    standardized = ae.net_.module_.units(torch.tensor(rows))
    assert (rows == 0).sum() > 50
    assert (standardized.abs() > 0)[~torch.tensor(rows).isnan()].all()
    assert_allclose(standardized[torch.tensor(rows) == 0], 0, atol=1e-5)


@pytest.mark.filterwarnings("ignore:max_epochs", "ignore:Posterior collapse")
@over(AUTOENCODERS)
def test_each_column_has_a_unit_of_its_own_for_every_family(cls, X_missing):
    units = np.array([1e6, 1e-3] + [1.0] * (X_missing.shape[1] - 2))
    fill = make(quick(cls)).fit_transform
    assert_allclose(fill(X_missing * units) / units, fill(X_missing), rtol=1e-3, atol=1e-3)


# -- going on -------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:max_epochs")
def test_later_rows_are_learned_from():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(600, 1))
    X = pd.DataFrame(a @ [[1.0, 2.0, -1.0]], columns=list("abc")).assign(kind="x")
    X.loc[a[:, 0] > 0, "kind"] = "y"
    X.loc[300:, "c"] *= -1  # what held no longer holds
    hidden = X[500:].copy()
    hidden["c"] = np.nan
    imputer = AutoencoderImputer(quick(DenoisingAutoencoder, noise="masking"), random_state=0)
    first = imputer.partial_fit(X[:300])
    assert_array_equal(
        first.transform(hidden)["c"],
        clone(imputer).fit(X[:300]).transform(hidden)["c"],
    )
    errors = []
    for _ in range(30):
        errors.append(np.mean((imputer.transform(hidden)["c"] - X["c"][500:]) ** 2))
        imputer.partial_fit(X[300:500])
    assert errors[-1] < 0.5 * errors[0]
    assert imputer.transform(hidden).dtypes.tolist() == X.dtypes.tolist()


def test_going_on_with_other_columns_changes_nothing():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(30, 2)), columns=["a", "b"])
    imputer = AutoencoderImputer(quick(DenoisingAutoencoder), random_state=0).fit(X)
    gaps = X.mask(np.eye(30, 2, dtype=bool))
    before = imputer.transform(gaps)
    with pytest.raises(ValueError, match="feature names"):
        imputer.partial_fit(X[["b", "a"]])
    assert_array_equal(imputer.transform(gaps), before)
    imputer.partial_fit(X * np.nan)  # rows that say nothing
    assert_array_equal(imputer.transform(gaps), before)
