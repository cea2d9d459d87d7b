"""The variational family: probabilistic PCA as oracle, bounds in nats, likelihoods, conditions."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import DenoisingAutoencoder, VariationalAutoencoder
from skae.engine.net import as_batch
from skae.nn.likelihoods import LIKELIHOODS
from skae.nn.variational import draws, evidence_lower_bound, importance_weighted_bound
from skae.rows.given import Given

pytestmark = pytest.mark.filterwarnings(
    "ignore:max_epochs=", "ignore:Posterior collapse:UserWarning"
)
QUICK = {"hidden_layer_sizes": (8,), "max_epochs": 3, "early_stopping": False, "random_state": 0}
LINEAR = {"hidden_layer_sizes": (), "dispersion": "shared", "random_state": 0}


def linear_gaussian(n, seed):
    """Rows of 20 columns from a linear-Gaussian model with codes of 5 numbers."""
    loadings = np.random.default_rng(0).normal(size=(5, 20))
    rng = np.random.default_rng(seed)
    return 3 + rng.normal(size=(n, 5)) @ loadings + 0.5 * rng.normal(size=(n, 20))


TABLES = {
    "linear-Gaussian": lambda: (linear_gaussian(5000, 1), linear_gaussian(2000, 2), 5),
    "wine": lambda: (*train_test_split(load_wine().data, random_state=0), 2),
    "breast cancer": lambda: (*train_test_split(load_breast_cancer().data, random_state=0), 3),
}


@pytest.fixture(scope="module")
def counts():
    """Counts whose rates lie on a curved surface of two dimensions."""
    rng = np.random.default_rng(0)
    rates = np.exp(1 + rng.normal(size=(300, 2)) @ rng.normal(size=(2, 8)))
    return rng.poisson(rates).astype(float)


@pytest.fixture(scope="module")
def binary(digits):
    return (digits[:300] > 8).astype(float)


# -- the oracle ---------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_the_linear_model_has_the_likelihood_of_probabilistic_pca(table):
    train, test, k = TABLES[table]()
    vae = VariationalAutoencoder(code_size=k, **LINEAR).fit(train)
    assert abs(vae.score(test) - PCA(k).fit(train).score(test)) < 0.05
    # The posterior is exact: one draw is as good as many, row by row.
    assert_allclose(
        vae.score_samples(test[:50], n_samples=1), vae.score_samples(test[:50]), atol=1e-3
    )


def test_the_start_is_probabilistic_pca_whatever_the_architecture(X):
    vae = VariationalAutoencoder(code_size=2, max_epochs=0, random_state=0).fit(X)
    pca = PCA(2).fit(X)
    assert_allclose(vae.score_samples(X), pca.score_samples(X), atol=1e-3)
    mean, std = vae.posterior(X)
    variances = pca.explained_variance_
    signal = np.sqrt(1 - pca.noise_variance_ / variances)
    assert_allclose(np.abs(mean), np.abs(pca.transform(X) * signal / np.sqrt(variances)), atol=1e-4)
    assert_allclose(std, np.tile(np.sqrt(pca.noise_variance_ / variances), (len(X), 1)), atol=1e-4)


def test_units_change_the_score_by_their_logarithm():
    train, test, k = TABLES["wine"]()
    one, thousand = (
        VariationalAutoencoder(code_size=k, **{**QUICK, "max_epochs": 10}).fit(c * train)
        for c in (1, 1000)
    )
    expected = one.score(test) - train.shape[1] * np.log(1000)
    assert_allclose(thousand.score(1000 * test), expected, atol=1e-2)


def test_it_beats_probabilistic_pca_where_rows_are_curved(digits):
    train, test = digits[:1000], digits[1000:]
    vae = VariationalAutoencoder(code_size=8, random_state=0).fit(train)
    assert vae.n_iter_ > 0
    assert vae.score(test) > PCA(8).fit(train).score(test) + 5


# -- bounds -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vae(X):
    return VariationalAutoencoder(
        code_size=2, max_epochs=40, early_stopping=False, n_iter_no_change=40, random_state=0
    ).fit(X)


def test_the_bound_is_the_mean_of_the_importance_weights(vae, X):
    """Against a loop in plain numpy and scipy."""
    noise = torch.randn((30, 2), generator=torch.Generator().manual_seed(7)).double().numpy()
    mean, std = vae.posterior(X[:5])
    scale = np.exp(vae.net_.module_.likelihood.log_dispersion.detach().double().numpy())
    for i in range(5):
        z = mean[i] + std[i] * noise
        rebuilt = vae.inverse_transform(z)
        log_w = stats.norm.logpdf(X[i], rebuilt, scale * vae.scale_).sum(1)
        log_w += stats.norm.logpdf(z).sum(1) - stats.norm.logpdf(z, mean[i], std[i]).sum(1)
        expected = np.logaddexp.reduce(log_w) - np.log(30)
        score = vae.score_samples(X[i : i + 1], n_samples=30, random_state=7)
        assert_allclose(score, expected, rtol=1e-5)


def test_the_elbo_is_its_two_terms(vae, X):
    elbo, fit, kl = vae.elbo(X, n_samples=2000)
    mean, std = vae.posterior(X)
    assert_allclose(elbo, fit - kl)
    assert_allclose(kl, (0.5 * (mean**2 + std**2 - 1) - np.log(std)).sum(1), rtol=1e-6)
    assert np.all(elbo <= vae.score_samples(X, n_samples=2000) + 0.05)
    assert vae.elbo(X).kl.shape == (80,)


def test_more_draws_give_no_lower_a_bound(vae, X):
    bounds = [
        np.mean([vae.score_samples(X, n_samples=k, random_state=s).mean() for s in range(20)])
        for k in (1, 5, 50, 500)
    ]
    assert np.all(np.diff(bounds) > -0.05)
    assert bounds[-1] > bounds[0]


def test_the_score_of_a_row_does_not_depend_on_its_company(vae, X):
    together = vae.score_samples(X)
    assert_array_equal(vae.score_samples(X), together)
    alone = np.concatenate([vae.score_samples(X[i : i + 1]) for i in range(10)])
    assert_allclose(alone, together[:10], atol=1e-9)
    assert_allclose(vae.score_samples(X[::-1]), together[::-1], atol=1e-9)
    assert not np.array_equal(vae.score_samples(X, random_state=1), together)


def test_draws_are_made_in_chunks_that_add_up(vae, X, monkeypatch):
    module, batch = vae.net_.module_.eval(), as_batch(vae.net_.module_, torch.tensor(X).float())
    noise = torch.randn(40, 2)
    with torch.no_grad():
        whole = [f(module, batch, noise) for f in (importance_weighted_bound, evidence_lower_bound)]
        monkeypatch.setattr("skae.nn.variational.DRAWN_ELEMENTS", 7 * X.size)
        posterior = module.posterior(batch.x)
        sizes = [len(fit) for fit, *_ in draws(module, batch, posterior, noise)]
        parts = [f(module, batch, noise) for f in (importance_weighted_bound, evidence_lower_bound)]
    assert sizes == [7] * 5 + [5]
    for one, other in zip(whole, parts, strict=True):
        assert_allclose(one, other, rtol=1e-4)


@pytest.mark.parametrize("objective", ["elbo", "iwae"])
def test_what_is_minimised_is_the_bound(objective, X, X_missing):
    vae = VariationalAutoencoder(2, objective=objective, n_importance_samples=4, **QUICK)
    for rows in (X, X_missing):
        vae.fit(rows)
        net, batch = vae.net_, vae._as_rows(Given(rows))
        module = net.module_.eval()
        with torch.no_grad():
            output = module(batch.x)
            loss = net.criterion_(output, batch, module).item()
            noise = output.noise if objective == "iwae" else output.noise[None]
            posterior = module.posterior(batch.x)
            bounds = []
            for i in range(len(rows)):  # each row by itself, with its own noise
                row = batch.take([i])
                if objective == "iwae":
                    bound = importance_weighted_bound(module, row, noise[:, i])
                else:
                    fit, kl = evidence_lower_bound(module, row, noise[:, i])[0]
                    bound = fit - kl
                bounds.append(float(bound))
        expected = -np.mean(bounds) / X.shape[1] - np.log(vae.scale_)
        assert_allclose(loss, expected, rtol=1e-4)
        assert_allclose(net.evaluate(batch)[1].mean(), loss, rtol=1e-4)
        assert posterior.mean.shape == (80, 2)


def test_the_gradient_of_iwae_is_that_of_its_bound(X):
    vae = VariationalAutoencoder(2, objective="iwae", n_importance_samples=3, **QUICK).fit(X)
    module, batch = vae.net_.module_.eval(), vae._as_rows(Given(X))
    parameters = [p for p in module.parameters() if p.requires_grad]
    loss = vae.net_.criterion_(module(batch.x), batch, module)
    ours = torch.autograd.grad(loss, parameters, allow_unused=True)
    output = module(batch.x)
    log_p = module.likelihood.log_prob(output.distribution, batch.x, module.units).sum(-1)
    mean, std = output.posterior.mean, output.posterior.stddev
    code = mean + std * output.noise
    log_w = log_p + (-0.5 * code**2 + 0.5 * output.noise**2 + std.log()).sum(-1)
    theirs = torch.autograd.grad(
        -log_w.logsumexp(0).mean() / X.shape[1], parameters, allow_unused=True
    )
    for a, b in zip(ours, theirs, strict=True):
        assert_allclose(a, b, atol=1e-5)


def test_iwae_finds_a_bound_at_least_as_high(digits):
    scores = []
    for objective in ("elbo", "iwae"):
        vae = VariationalAutoencoder(
            8, objective=objective, early_stopping=False, max_epochs=60, n_iter_no_change=60,
            hidden_layer_sizes=(64,), random_state=0,
        ).fit(digits[:1000])  # fmt: skip
        scores.append(vae.score_samples(digits[1000:], n_samples=200).mean())
    assert scores[1] > scores[0] - 1


# -- what is held against collapse --------------------------------------------------------------


def test_beta_and_free_bits_change_what_the_code_says(digits):
    settings = {**QUICK, "max_epochs": 40, "n_iter_no_change": 40, "hidden_layer_sizes": (32,)}
    fitted = {
        name: VariationalAutoencoder(8, **settings, **params).fit(digits[:500])
        for name, params in {
            "plain": {}, "beta": {"beta": 8.0}, "free": {"beta": 8.0, "free_bits": 1.0},
        }.items()
    }  # fmt: skip
    kl = {name: vae.unit_kl_.sum() for name, vae in fitted.items()}
    assert kl["beta"] < 0.7 * kl["plain"]
    assert kl["free"] > kl["beta"]
    assert fitted["plain"].active_units_ == 8


def test_posterior_collapse_is_named(X):
    vae = VariationalAutoencoder(2, beta=1e4, **{**QUICK, "max_epochs": 60, "n_iter_no_change": 60})
    with pytest.warns(UserWarning, match="Posterior collapse: 0 of the 2 units") as caught:
        vae.fit(X)
    assert caught[-1].filename == __file__
    assert vae.active_units_ == 0


def test_the_weight_of_the_divergence_warms_up(X):
    vae = VariationalAutoencoder(2, beta=3.0, kl_warmup=0.5, **QUICK).fit(X)
    net, batch = vae.net_, vae._as_rows(Given(X))
    module, objective = net.module_, net.criterion_
    assert module.settled == 0.5
    with torch.no_grad():
        module.eval()
        whole = objective.term(module(batch.x), batch, module)
        assert_allclose(whole, 3 * objective.kl(module(batch.x), batch, module).mean() / 6)
        module.train()
        output = module(batch.x)
        full = 3 * objective.kl(output, batch, module).mean() / 6
        for progress, share in ((0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (1.0, 1.0)):
            module.progress = progress
            assert_allclose(objective.term(output, batch, module), share * full, rtol=1e-6)


def test_mmd_draws_the_codes_to_the_prior_together(digits):
    settings = {**QUICK, "max_epochs": 60, "n_iter_no_change": 60, "hidden_layer_sizes": (32,)}
    loose, tight = (
        VariationalAutoencoder(4, divergence="mmd", beta=beta, **settings).fit(digits[:600])
        for beta in (0.0, 10.0)
    )

    def far_from_normal(vae):
        mean, std = vae.posterior(digits[:600])
        codes = mean + std * np.random.default_rng(0).normal(size=std.shape)
        return np.mean([stats.kstest(unit, "norm").statistic for unit in codes.T])

    assert far_from_normal(tight) < 0.1
    assert far_from_normal(tight) < far_from_normal(loose)
    # The codes of single rows stay sharp, which the divergence of each would not let them.
    assert tight.posterior(digits)[1].mean() < 0.3


# -- likelihoods --------------------------------------------------------------------------------


def rows_for(likelihood, X, counts, binary):
    if likelihood in ("poisson", "negative_binomial", "multinomial"):
        return counts
    return binary if likelihood == "bernoulli" else X


@pytest.mark.parametrize("likelihood", sorted(LIKELIHOODS))
@pytest.mark.parametrize("dispersion", ["feature", "shared", "predicted"])
def test_training_raises_the_likelihood(likelihood, dispersion, X, counts, binary):
    rows = rows_for(likelihood, X, counts, binary)
    settings = {"likelihood": likelihood, "dispersion": dispersion, "random_state": 0}
    start = VariationalAutoencoder(2, max_epochs=0, **settings).fit(rows)
    vae = VariationalAutoencoder(
        2, hidden_layer_sizes=(16,), early_stopping=False, max_epochs=60, n_iter_no_change=60,
        **settings,
    ).fit(rows)  # fmt: skip
    assert vae.score(rows) > start.score(rows)
    mean, draw = (vae.sample(200, random_state=0, mean=mean) for mean in (True, False))
    assert mean.shape == draw.shape == (200, rows.shape[1])
    assert np.isfinite(mean).all()
    assert np.isfinite(draw).all()
    assert_allclose(draw.mean(), rows.mean(), atol=0.3 * rows.std())
    if rows is not X:
        assert np.all(mean >= 0)
        assert_array_equal(draw, np.round(draw))
        vae._check_support(Given(draw))


@pytest.mark.parametrize(
    ("likelihood", "density"),
    [
        ("gaussian", lambda x, m, d: stats.norm.logpdf(x, m, d)),
        ("laplace", lambda x, m, d: stats.laplace.logpdf(x, m, d)),
        ("student_t", lambda x, m, d: stats.t.logpdf(x, 5.0, m, d)),
        ("bernoulli", lambda x, m, d: stats.bernoulli.logpmf(x, m)),
        ("poisson", lambda x, m, d: stats.poisson.logpmf(x, m)),
        ("negative_binomial", lambda x, m, d: stats.nbinom.logpmf(x, 1 / d, 1 / (1 + d * m))),
    ],
)
def test_log_probabilities_are_scipys_with_all_constants(likelihood, density, X, counts, binary):
    rows = rows_for(likelihood, X, counts, binary)[:20]
    vae = VariationalAutoencoder(2, likelihood=likelihood, **QUICK).fit(rows)
    module = vae.net_.module_
    codes = vae.transform(rows)
    mean = vae.inverse_transform(codes)
    with torch.no_grad():
        batch = as_batch(module.double(), torch.from_numpy(rows))
        distribution = module.distribution(torch.from_numpy(codes))
        ours = module.likelihood.log_prob(distribution, batch.target, module.units)
        ours = ours + module.likelihood.log_unit(module.units)
    dispersion = 0
    if module.likelihood.has_dispersion:
        dispersion = module.likelihood.log_dispersion.detach().exp().numpy()
        if likelihood != "negative_binomial":
            dispersion = dispersion * vae.scale_
    if likelihood == "student_t":
        degrees = 2 + module.likelihood.log_degrees.detach().exp().numpy()
        theirs = stats.t.logpdf(rows, degrees, mean, dispersion)
    else:
        theirs = density(rows, mean, dispersion)
    assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_multinomial_is_scipys(counts):
    vae = VariationalAutoencoder(2, likelihood="multinomial", **QUICK).fit(counts)
    module = vae.net_.module_.double()
    codes = vae.transform(counts[:20])
    shares = vae.inverse_transform(codes)
    assert_allclose(shares.sum(1), counts.sum(1).mean(), rtol=1e-5)
    shares = shares / shares.sum(1, keepdims=True)
    batch = as_batch(module, torch.from_numpy(counts[:20]))
    with torch.no_grad():
        distribution = module.distribution(torch.from_numpy(codes))
        ours = module.likelihood.log_prob(distribution, batch.target, module.units).sum(-1)
    theirs = [
        stats.multinomial.logpmf(row, int(row.sum()), p)
        for row, p in zip(counts, shares, strict=False)
    ]
    assert_allclose(ours, theirs, rtol=1e-4)
    assert_allclose(vae.sample(5, mean=False).sum(1), round(counts.sum(1).mean()))


def test_heavy_tails_are_for_student(X):
    X = X.copy()
    X[::20] += 30 * np.random.default_rng(0).normal(size=X[::20].shape)
    gaussian, student = (
        VariationalAutoencoder(2, likelihood=likelihood, max_epochs=60, early_stopping=False,
                               n_iter_no_change=60, random_state=0).fit(X)
        for likelihood in ("gaussian", "student_t")
    )  # fmt: skip
    assert student.score(X) > gaussian.score(X) + 1


def test_a_constant_column_has_a_finite_density(X):
    rows = np.c_[X, np.full(len(X), 3.0)]
    vae = VariationalAutoencoder(2, **QUICK).fit(rows)
    assert np.isfinite(vae.score_samples(rows)).all()
    assert np.isfinite(vae.score_samples(rows + 1)).all()


def test_dynamic_binarisation_draws_rows_anew(binary):
    gray = np.clip(binary * 0.9 + 0.05, 0, 1)
    vae = VariationalAutoencoder(2, likelihood="bernoulli", binarize=True, **QUICK).fit(gray)
    module, batch = vae.net_.module_, vae._as_rows(Given(gray))
    module.train()
    first, second = (module.units.inverse(module(batch.x).binarized) for _ in range(2))
    assert_allclose(first, first.round(), atol=1e-5)
    assert not torch.equal(first, second)
    assert abs(float(first.mean()) - gray.mean()) < 0.02
    module.eval()
    assert torch.equal(module(batch.x).binarized, module(batch.x).binarized)


def test_missing_entries_say_nothing_of_the_likelihood(X_missing, X):
    vae = VariationalAutoencoder(2, **QUICK).fit(X_missing)
    filled = np.where(np.isnan(X_missing), vae.center_, X_missing)
    holes = np.isnan(X_missing).any(1)
    assert_allclose(vae.transform(X_missing), vae.transform(filled), atol=1e-6)
    scores, complete = vae.score_samples(X_missing), vae.score_samples(filled)
    assert_allclose(scores[~holes], complete[~holes])
    assert np.isfinite(scores).all()
    one = X[:1].copy()
    one[0, 1:] = np.nan  # the marginal of one column
    assert vae.score_samples(one)[0] > vae.score_samples(X[:1])[0] - 100


# -- conditions ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labeled_digits():
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def conditional(labeled_digits):
    X, y = labeled_digits
    return VariationalAutoencoder(
        8, categorical_condition=True, early_stopping=False, max_epochs=60, n_iter_no_change=60,
        random_state=0,
    ).fit(X, condition=y)  # fmt: skip


def test_samples_are_of_the_class_asked_for(conditional, labeled_digits):
    X, y = labeled_digits
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(X, y)
    labels = np.repeat(np.arange(10), 20)
    samples = conditional.sample(200, condition=labels, random_state=0)
    assert classifier.score(samples, labels) > 0.85
    assert (
        np.mean(classifier.predict(conditional.sample(50, condition=3, random_state=0)) == 3) > 0.8
    )


def test_the_condition_is_known_to_code_row_and_score(conditional, labeled_digits):
    X, y = labeled_digits
    codes = conditional.transform(X, condition=y)
    other = (y + 1) % 10
    assert not np.allclose(codes, conditional.transform(X, condition=other))
    assert not np.allclose(
        conditional.inverse_transform(codes, condition=y),
        conditional.inverse_transform(codes, condition=other),
    )
    assert conditional.score(X, condition=y) > conditional.score(X, condition=other)
    assert_allclose(
        conditional.reconstruct(X, condition=y), conditional.inverse_transform(codes, condition=y),
        atol=1e-5,
    )  # fmt: skip
    assert conditional.predict(X[:5], condition=y[:5]).shape == (5,)
    steps = conditional.interpolate(X[0], X[1], 4, condition=y[0])
    assert steps.shape == (4, 64)
    scores = conditional.score_samples(X[:20], condition=y[:20])
    assert_allclose(conditional.score_samples(X[:1], condition=y[:1]), scores[:1], atol=1e-9)


def test_a_condition_starts_at_probabilistic_pca_of_what_it_leaves(labeled_digits):
    X, y = labeled_digits
    vae = VariationalAutoencoder(4, categorical_condition=True, max_epochs=0, random_state=0)
    vae.fit(X, condition=y)
    left = X - np.array([X[y == k].mean(0) for k in range(10)])[y]
    assert_allclose(vae.score(X, condition=y), PCA(4).fit(left).score(left), atol=0.05)


def test_conditions_of_numbers_and_strings(X):
    numbers = X[:, :2] * 100
    vae = VariationalAutoencoder(2, **QUICK).fit(X, condition=numbers)
    again = VariationalAutoencoder(2, **QUICK).fit(X, condition=numbers * 5 + 3)
    assert_allclose(
        vae.transform(X, condition=numbers), again.transform(X, condition=numbers * 5 + 3),
        atol=1e-3,
    )  # fmt: skip
    words = np.where(X[:, 0] > 0, "high", "low")
    vae = VariationalAutoencoder(2, categorical_condition=True, **QUICK).fit(X, condition=words)
    assert vae.sample(3, condition="high", random_state=0).shape == (3, 6)
    assert vae.partial_fit(X[:20], condition=words[:20]) is vae


def test_conditions_of_polars(X):
    """Without pyarrow, as columns and as one."""
    kind, size = ["u", "v"] * (len(X) // 2), [float(i) for i in range(len(X))]
    given = pl.DataFrame({"kind": kind, "size": size})
    model = VariationalAutoencoder(2, **QUICK)
    codes = model.fit(X, condition=given).transform(X, condition=given)
    same = pd.DataFrame({"kind": kind, "size": size})
    assert_array_equal(codes, model.transform(X, condition=same))
    codes = model.fit(X, condition=given["kind"]).transform(X, condition=given["kind"])
    assert_array_equal(codes, model.transform(X, condition=kind))


def test_a_condition_is_routed_through_a_pipeline(X):
    words = np.where(X[:, 0] > 0, "high", "low")
    with sklearn.config_context(enable_metadata_routing=True):
        vae = VariationalAutoencoder(2, categorical_condition=True, **QUICK)
        vae.set_fit_request(condition=True).set_transform_request(condition=True)
        pipeline = make_pipeline(StandardScaler(), vae).fit(X, condition=words)
        codes = pipeline.transform(X, condition=words)
        classifier = make_pipeline(StandardScaler(), clone(vae), LogisticRegression())
        classifier.fit(X, X[:, 1] > 0, condition=words)
        assert classifier.score(X, X[:, 1] > 0, condition=words) > 0.6
    Z = StandardScaler().fit_transform(X)
    alone = VariationalAutoencoder(2, categorical_condition=True, **QUICK).fit(Z, condition=words)
    assert_allclose(codes, alone.transform(Z, condition=words))


@pytest.mark.parametrize(
    ("method", "keywords", "message"),
    [
        ("transform", {}, "fitted with a condition.*give condition="),
        ("score_samples", {}, "give condition="),
        ("sample", {}, "give condition="),
        ("transform", {"condition": ["green"] * 80}, "has not seen"),
        ("transform", {"condition": ["high"] * 79}, "79 rows, but there are 80"),
        ("transform", {"condition": [["high", "low"]] * 80}, "has 2 columns"),
    ],
)
def test_bad_conditions(method, keywords, message, X):
    words = np.where(X[:, 0] > 0, "high", "low")
    vae = VariationalAutoencoder(2, categorical_condition=True, **QUICK).fit(X, condition=words)
    with pytest.raises(ValueError, match=message):
        getattr(vae, method)(*(() if method == "sample" else (X,)), **keywords)


def test_a_condition_where_there_was_none(X):
    with pytest.raises(ValueError, match="fitted without a condition"):
        VariationalAutoencoder(2, **QUICK).fit(X).transform(X, condition=X[:, 0])
    with pytest.raises(ValueError, match="condition contains NaN"):
        VariationalAutoencoder(2, **QUICK).fit(X, condition=np.full(80, np.nan))


# -- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"beta": -1.0}, "'beta'"),
        ({"free_bits": -1.0}, "'free_bits'"),
        ({"kl_warmup": 2.0}, "'kl_warmup'"),
        ({"likelihood": "cauchy"}, "'likelihood'"),
        ({"n_importance_samples": 0}, "'n_importance_samples'"),
        ({"loss": "huber"}, "loss='huber' is not for VariationalAutoencoder.*likelihood="),
        ({"output_activation": "relu"}, "output_activation='relu' is not for"),
        ({"code_activation": "relu"}, "code_activation='relu' is not for"),
        ({"tied_weights": True}, "tied_weights=True is not for"),
        ({"objective": "iwae", "free_bits": 1.0}, "cannot be combined with free_bits"),
        ({"objective": "iwae", "divergence": "mmd"}, "divergence='mmd'"),
        ({"binarize": True}, "likelihood='bernoulli'"),
        ({"likelihood": "bernoulli"}, r"X in \[0, 1\].*MinMaxScaler"),
        ({"likelihood": "poisson"}, "counts, integers of at least 0"),
        ({"likelihood": "negative_binomial"}, "counts"),
        ({"likelihood": "multinomial"}, "counts"),
        ({"code_density": 3}, "'code_density'"),
    ],
)
def test_bad_parameters(params, message, X):
    with pytest.raises(ValueError, match=message):
        VariationalAutoencoder(2, **{**QUICK, **params}).fit(X)


def test_fractions_are_no_counts(counts):
    with pytest.raises(ValueError, match=r"found \d+.5"):
        VariationalAutoencoder(2, likelihood="poisson", **QUICK).fit(counts + 0.5)
    holes = counts.copy()
    holes[0, 0] = np.nan
    VariationalAutoencoder(2, likelihood="poisson", **QUICK).fit(holes)
    with pytest.raises(ValueError, match="missing entries"):
        VariationalAutoencoder(2, likelihood="multinomial", **QUICK).fit(holes)


@pytest.mark.parametrize("n_samples", [0, -1, 1.5])
def test_bad_numbers_of_draws(vae, X, n_samples):
    for method in (
        lambda: vae.score_samples(X, n_samples=n_samples),
        lambda: vae.sample(n_samples),
    ):
        with pytest.raises(ValueError, match="n_samples must be an integer of at least 1"):
            method()


# -- with the rest of the house -----------------------------------------------------------------


def test_a_density_of_codes_instead_of_the_prior(X):
    vae = VariationalAutoencoder(2, code_density=GaussianMixture(2), **QUICK).fit(X)
    assert vae.sample(5, random_state=0).shape == (5, 6)
    assert vae.code_density_.n_components == 2


def test_a_target_has_a_likelihood_too(X):
    T = np.tanh(X[:, :3]) * 10
    settings = {"hidden_layer_sizes": (16,), "early_stopping": False, "random_state": 0}
    start = VariationalAutoencoder(2, max_epochs=0, **settings).fit(X, target=T)
    vae = VariationalAutoencoder(2, max_epochs=60, n_iter_no_change=60, **settings)
    vae.fit(X, target=T)
    assert vae.reconstruct(X).shape == (80, 3)
    assert vae.score(X, target=T) > start.score(X, target=T)


class DenoisingVAE(DenoisingAutoencoder, VariationalAutoencoder):
    pass


class VariationalDenoiser(VariationalAutoencoder, DenoisingAutoencoder):
    pass


@pytest.mark.parametrize("cls", [DenoisingVAE, VariationalDenoiser])
def test_families_cross_by_inheritance(cls, X):
    ae = cls(code_size=2, noise="masking", noise_level=0.2, **QUICK).fit(X)
    assert np.isfinite(ae.score_samples(X)).all()
    assert ae.sample(3).shape == (3, 6)
    quiet = cls(code_size=2, noise_level=0.0, **QUICK).fit(X)
    plain = VariationalAutoencoder(2, **QUICK).fit(X)
    assert_array_equal(quiet.transform(X), plain.transform(X))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_gpu_agrees(vae, X):
    scores = vae.score_samples(X.astype(np.float32))
    vae.net_.module_.cuda()
    try:
        assert_allclose(vae.score_samples(X.astype(np.float32)), scores, atol=1e-3)
    finally:
        vae.net_.module_.cpu()
