"""Synthetic tables: frames drawn like those of `fit`, and with values that are asked for."""

import io

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skae import VariationalAutoencoder, load
from skae.base import drawn_rows
from skae.nn.likelihoods import GaussianLikelihood

pytestmark = pytest.mark.filterwarnings(
    "ignore:max_epochs=", "ignore:Posterior collapse:UserWarning"
)
SETTINGS = {"hidden_layer_sizes": (32,), "early_stopping": False, "random_state": 0, "lr": 5e-3}


def people(n=500, seed=0):
    """Heights and pay by sex, pay with a frequent value, children counted, a date and a flag."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["female", "male"], n, p=[0.4, 0.6])
    height = rng.normal(np.where(sex == "male", 180, 160), 5)
    pay = np.where(rng.random(n) < 0.3, 4.99, np.exp(rng.normal(2, 0.5, n)).round(2))
    day = np.datetime64("2020-01-01") + rng.integers(0, 365, n).astype("m8[D]")
    return pd.DataFrame(
        {
            "height": height,
            "sex": sex,
            "children": rng.poisson(1.5, n),
            "pay": pay,
            "size": pd.Categorical.from_codes((height > 165) + 0 + (height > 178), list("SML")),
            "since": pd.Series(day).astype("datetime64[s]"),
            "member": rng.random(n) < 0.2,
        }
    )


@pytest.fixture(scope="module")
def frame():
    return people()


@pytest.fixture(scope="module")
def model(frame):
    return VariationalAutoencoder(3, max_epochs=40, **SETTINGS).fit(frame)


@pytest.fixture(scope="module")
def drawn(model):
    return model.sample(2000, random_state=0)


def test_a_sample_is_a_frame_like_that_of_fit(frame, drawn):
    assert list(drawn.columns) == list(frame.columns)
    assert_array_equal(drawn.dtypes, frame.dtypes)
    assert len(drawn) == 2000
    assert not drawn.isna().any(axis=None)
    assert_array_equal(drawn["since"].dt.normalize(), drawn["since"])
    assert_array_equal(drawn["pay"].round(2), drawn["pay"])
    for name in ("height", "children", "pay", "since"):
        assert frame[name].min() <= drawn[name].min()
        assert drawn[name].max() <= frame[name].max()
    assert set(drawn["sex"]) == {"female", "male"}
    assert drawn["size"].cat.categories.tolist() == ["S", "M", "L"]


def test_each_column_has_the_distribution_of_the_rows(frame, drawn):
    for name in ("sex", "size", "member", "children"):
        shares = [f[name].value_counts(normalize=True) for f in (frame, drawn)]
        assert shares[0].sub(shares[1], fill_value=0).abs().max() < 0.07
    for name in ("height", "pay"):
        shares = np.linspace(0.05, 0.95, 10)
        distance = np.quantile(frame[name], shares) - np.quantile(drawn[name], shares)
        assert np.abs(distance).max() < 0.25 * frame[name].std()
    assert abs(np.mean(drawn["pay"] == 4.99) - np.mean(frame["pay"] == 4.99)) < 0.07


def test_columns_that_go_together_do_so_in_a_sample(frame, drawn):
    for rows in (frame, drawn):
        height = rows.groupby("sex")["height"].mean()
        assert height["male"] - height["female"] > 14
    tall = drawn.loc[drawn["size"] == "L", "height"].mean()
    assert tall > drawn.loc[drawn["size"] == "S", "height"].mean() + 15


def test_columns_can_be_asked_for(model):
    drawn = model.sample(300, condition={"sex": "female"}, random_state=0)
    assert (drawn["sex"] == "female").all()
    assert abs(drawn["height"].mean() - 160) < 4
    drawn = model.sample(300, condition={"size": "L", "member": True}, random_state=0)
    assert drawn["member"].all()
    assert drawn["height"].mean() > 175
    assert np.mean(drawn["sex"] == "male") > 0.85
    drawn = model.sample(50, condition={"height": 161.5, "children": 2}, random_state=0)
    assert_array_equal(drawn["height"], 161.5)
    assert_array_equal(drawn["children"], 2)
    assert np.mean(drawn["sex"] == "female") > 0.75


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"gender": "female"}, "no column 'gender'"),
        ({"sex": "x"}, "'sex' of X has no value 'x'.*female"),
        ({"height": "tall"}, "'height' of X cannot be read"),
        (["female"], "fitted without a condition"),
    ],
)
def test_bad_conditions(model, condition, message):
    with pytest.raises(ValueError, match=message):
        model.sample(3, condition=condition)


def test_what_is_not_learned_from_cannot_be_asked_for(frame):
    named = frame.assign(name=[f"n{i}" for i in range(len(frame))])
    with pytest.warns(UserWarning, match="nothing is learned"):
        model = VariationalAutoencoder(2, max_epochs=1, **SETTINGS).fit(named)
    with pytest.raises(ValueError, match="'name' of X is not learned from"):
        model.sample(3, condition={"name": "n1"})


def test_values_that_next_to_no_code_goes_with_are_warned_of(model, monkeypatch):
    monkeypatch.setattr(drawn_rows, "CODES_FOR_A_ROW", 1)
    monkeypatch.setattr(drawn_rows, "FEWEST_CODES", 1)
    with pytest.warns(UserWarning, match="next to none"):
        model.sample(12, condition={"height": 195.0, "size": "S", "sex": "female"})


def test_a_condition_of_fit_may_be_a_dict_too(frame):
    beside = frame[["sex", "member"]]
    model = VariationalAutoencoder(2, max_epochs=20, **SETTINGS)
    model.fit(frame.drop(columns=["sex", "member", "size"]), condition=beside)
    drawn = [
        model.sample(200, condition={"member": False, "sex": sex}, random_state=0)["height"].mean()
        for sex in ("female", "male")
    ]
    assert drawn[1] - drawn[0] > 12
    with pytest.raises(ValueError, match="must have the columns"):
        model.sample(3, condition={"sex": "male"})


def test_polars(frame):
    given = pl.DataFrame({name: frame[name].tolist() for name in frame})
    model = VariationalAutoencoder(3, max_epochs=2, **SETTINGS).fit(given)
    drawn = model.sample(20, random_state=0)
    assert isinstance(drawn, pl.DataFrame)
    assert drawn.schema == given.schema


def test_holes_are_learned_around_and_scored(frame, model):
    holes = frame.astype({"member": "boolean", "children": "Int64"})
    rng = np.random.default_rng(0)
    holes = holes.mask(rng.random(holes.shape) < 0.2)
    drawn = VariationalAutoencoder(3, max_epochs=2, **SETTINGS).fit(holes).sample(50)
    assert not drawn.isna().any(axis=None)
    assert_array_equal(drawn.dtypes, holes.dtypes)
    shuffled = frame.assign(sex=frame["sex"].sample(frac=1, random_state=0).to_numpy())
    assert model.score(frame) > model.score(shuffled) + 0.5
    assert np.isfinite(model.score_samples(holes)).all()


def test_the_score_is_the_sum_of_its_columns(frame):
    """With a code that says nothing, of rows whose columns are independent."""
    two = frame[["sex", "member"]]
    model = VariationalAutoencoder(1, max_epochs=0, shortcut=None, **SETTINGS).fit(two)
    last = model.net_.module_.decoder[0].last
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()
    expected = sum(np.log(two[c].map(two[c].value_counts(normalize=True))) for c in two)
    assert_allclose(model.elbo(two).log_likelihood, expected.to_numpy(float), rtol=1e-4)


def test_saved_and_loaded(frame, model):
    file = io.BytesIO()
    model.save(file)
    again = load(io.BytesIO(file.getvalue()))
    condition = {"sex": "female"}
    for one, other in (
        (model.sample(9, random_state=1), again.sample(9, random_state=1)),
        (
            model.sample(9, random_state=1, condition=condition),
            again.sample(9, random_state=1, condition=condition),
        ),
    ):
        pd.testing.assert_frame_equal(one, other)
    assert_array_equal(model.score_samples(frame), again.score_samples(frame))


# -- likelihoods by column ----------------------------------------------------------------------


def test_a_dict_overrides_the_likelihood_of_columns(frame):
    given = {"children": "poisson", "height": "student_t", "pay": "gaussian"}
    model = VariationalAutoencoder(2, likelihood=given, max_epochs=2, **SETTINGS).fit(frame)
    kinds = [type(part).__name__ for part in model.net_.module_.likelihood.parts]
    assert sorted(kinds) == [
        "CategoricalLikelihood",
        "GaussianLikelihood",
        "HistogramLikelihood",
        "PoissonLikelihood",
        "StudentTLikelihood",
    ]
    drawn = model.sample(500, random_state=0)
    assert_array_equal(drawn.dtypes, frame.dtypes)
    assert np.mean(drawn["pay"] == 4.99) < 0.01


@pytest.mark.parametrize(
    ("likelihood", "message"),
    [
        ({"tall": "gaussian"}, "no column 'tall'"),
        ({"height": "normal"}, "must be one of"),
        ({"sex": "bernoulli"}, "'sex', which is a category"),
        ({"height": "poisson"}, "counts"),
        ("multinomial", "multinomial"),
    ],
)
def test_bad_likelihoods(frame, likelihood, message):
    with pytest.raises(ValueError, match=message):
        VariationalAutoencoder(2, likelihood=likelihood, **SETTINGS).fit(frame)


def test_numbers_alone_are_gaussian_and_may_have_another(X):
    model = VariationalAutoencoder(2, max_epochs=1, **SETTINGS).fit(X)
    assert isinstance(model.net_.module_.likelihood, GaussianLikelihood)
    given = {0: "student_t", 1: "histogram"}
    model = VariationalAutoencoder(2, likelihood=given, max_epochs=1, **SETTINGS).fit(X)
    assert len(model.net_.module_.likelihood.parts) == 3
    model = VariationalAutoencoder(2, likelihood="histogram", max_epochs=1, **SETTINGS).fit(X)
    drawn = model.sample(50, mean=False)
    assert np.all((drawn >= X.min(axis=0) - 1e-6) & (drawn <= X.max(axis=0) + 1e-6))
