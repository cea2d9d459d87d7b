"""The variational autoencoder: a likelihood of rows, a prior of codes, and a bound on log p(x)."""

import math
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import torch

from .._errors import warn
from .._sklearn import Interval, StrOptions
from ..base.autoencoder import BaseAutoencoder
from ..base.conditional import ConditionalMixin
from ..base.drawn_rows import DrawnRowsMixin
from ..base.generation import check_n_samples
from ..base.likelihood import LikelihoodMixin
from ..base.scores import weighted_mean
from ..engine.net import as_batch
from ..engine.seeds import Redirected, draw_seed
from ..engine.variational_objective import VariationalObjective
from ..nn.randomness import Draws, drawing
from ..nn.variational import (
    VariationalEncoderDecoder,
    divergence,
    evidence_lower_bound,
    importance_resampled,
    importance_weighted_bound,
    importance_weighted_mean,
)
from ..rows.given import check_finite, entries_of

# Draws of `score_samples`, and of rows that are to be filled.
N_SAMPLES = 50
N_SAMPLES_TO_FILL = 1000
# A unit is active if the variance of its posterior mean over the rows is larger (Burda et al.).
ACTIVE = 0.01
# Collapsed, if fewer than this share of the units are, or if the code says fewer nats than this.
FEW_ACTIVE = 0.1
FEW_NATS = 0.5


class ELBO(NamedTuple):
    """The evidence lower bound of each row, and its two terms, in nats."""

    elbo: np.ndarray
    log_likelihood: np.ndarray
    kl: np.ndarray


class VariationalAutoencoder(DrawnRowsMixin, LikelihoodMixin, ConditionalMixin, BaseAutoencoder):
    r"""Learns the distribution of rows by that of their codes.

    Maximizes a lower bound on the mean log likelihood of rows,

    .. math:: \log p(x) \ge \mathbb E_{q(z|x)} \log p(x | z) - \beta \, \mathrm{KL}(q(z|x) \,\|\,
        p(z)), \qquad q(z|x) = \mathcal N(\mu(x), \operatorname{diag} \sigma^2(x)), \quad p(z) =
        \mathcal N(0, I),

    (with :math:`\beta = 1`) where :math:`\mu` and :math:`\sigma` come from the encoder, and the
    parameters of the likelihood :math:`p(x | z)` from the decoder. It starts at probabilistic PCA,
    the best such model with linear maps, Gaussian rows and one variance, and so at PCA's
    log likelihood.

    Parameters
    ----------
    code_size : int, float or None, default=None
        As in :class:`Autoencoder`; for a frame of mixed columns, None is at least three quarters of
        their number.
    likelihood : str or dict, default="auto"
        What rows are, entry by entry, given the code: "gaussian"; "laplace" or "student_t" (heavy
        tails; the degrees of freedom are learned, above 2) for numbers; "histogram" for numbers of
        any distribution, with frequent values (cells, of which the code says the probabilities);
        "bernoulli" for numbers in [0, 1]; "poisson" or "negative_binomial" (more spread) for
        counts; "multinomial" for counts of which only the shares matter. Categories have the
        probabilities of their values in any case. "auto": "gaussian" for numbers alone, and
        "histogram" for those in a frame of mixed columns. A dict, as in
        ``{"children": "poisson"}``, says it of some columns, by name (or number without names).
    dispersion : {"feature", "shared", "predicted"}, default="feature"
        The scale of "gaussian", "laplace" and "student_t", and the spread of "negative_binomial":
        one learned number for each column, one for all, or predicted from the code.
    beta : float, default=1.0
        Weight of the divergence. Above 1, codes say less and their units are more independent.
    kl_warmup : float, default=0.0
        Share of training in which the weight grows from 0 to ``beta``.
    free_bits : float, default=0.0
        Nats that each unit of the code may say for nothing, on average over a batch.
    divergence : {"kl", "mmd"}, default="kl"
        "mmd": not each posterior is drawn to the prior, but all of them together, by ``beta`` times
        the maximum mean discrepancy with the inverse multiquadratic kernel, in nats for each entry
        (the WAE-MMD and InfoVAE objective).
    objective : {"elbo", "iwae"}, default="elbo"
        "iwae": the tighter importance-weighted bound of `n_importance_samples` draws.
    n_importance_samples : int, default=5
        Draws of "iwae" for each row and step.
    binarize : bool, default=False
        For "bernoulli": in each step, entries are drawn anew as 1 with their value as probability,
        and else as 0 (dynamic binarization).
    categorical_condition : bool or "auto", default="auto"
        Whether the ``condition`` of `fit` is classes, which become indicators, or quantities.
        "auto", column by column: strings, booleans and categories are classes, and so are whole
        numbers of which there are at most 20, half as many as rows or fewer.
    **other_parameters
        Those of :class:`Autoencoder`, with the same defaults, but for ``loss``,
        ``output_activation``, ``code_activation`` and ``tied_weights``, which follow from the
        likelihood and must stay as they are. An ``encoder`` of your own gives ``2 * code_size``
        numbers, means and logarithms of variances, and a ``decoder`` one for each column, or two
        (locations and then logarithms of dispersions) if those are predicted.

    Attributes
    ----------
    active_units_ : int
        Units of the code whose posterior mean has a variance above 0.01 over the training rows.
    unit_kl_ : ndarray of shape (`code_size_`,)
        Mean divergence of each unit over the training rows, in nats.
    loss_curve_, validation_loss_curve_ : list of float
        Minus the bound, in nats for each entry of a standardized row.
    **other_attributes
        Those of :class:`Autoencoder`.

    Raises
    ------
    ValueError
        If rows cannot be drawn from the likelihood (outside [0, 1], or no counts), a condition is
        missing or has other values than in `fit`, and as :class:`Autoencoder` does.

    Warns
    -----
    UserWarning
        At posterior collapse: less than a tenth of the units are active, or codes say less than
        half a nat.

    See Also
    --------
    sklearn.decomposition.PCA : Its ``score`` is the same with linear maps and one variance.
    sklearn.decomposition.FactorAnalysis : With one variance for each column.

    References
    ----------
    Kingma & Welling: Auto-encoding variational Bayes. ICLR 2014. arXiv:1312.6114.

    Rezende, Mohamed, Wierstra: Stochastic backpropagation and approximate inference in deep
    generative models. ICML 2014.

    Burda, Grosse, Salakhutdinov: Importance weighted autoencoders. ICLR 2016. arXiv:1509.00519.

    Higgins et al.: beta-VAE. ICLR 2017. Kingma et al.: Improved variational inference with inverse
    autoregressive flow (free bits). NIPS 2016. Sohn, Lee, Yan: Learning structured output
    representation using deep conditional generative models. NIPS 2015.

    Tolstikhin, Bousquet, Gelly, Schölkopf: Wasserstein auto-encoders. ICLR 2018. Zhao, Song, Ermon:
    InfoVAE. AAAI 2019.

    Tipping & Bishop: Probabilistic principal component analysis. JRSS B 61, 1999.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skae import VariationalAutoencoder
    >>> X = StandardScaler().fit_transform(load_breast_cancer().data)
    >>> train, test = train_test_split(X, random_state=0)
    >>> autoencoder = VariationalAutoencoder(code_size=4, random_state=0).fit(train)
    >>> print(f"{autoencoder.score(test):.1f} {PCA(n_components=4).fit(train).score(test):.1f}")
    -19.7 -27.8
    >>> autoencoder.sample(3, random_state=0).shape
    (3, 30)

    A synthetic table, and one of which a column is given:

    >>> import numpy as np
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> sex = rng.choice(["female", "male"], 500)
    >>> height = rng.normal(np.where(sex == "male", 180, 165), 5).round()
    >>> frame = pd.DataFrame({"sex": sex, "height": height, "children": rng.poisson(1, 500)})
    >>> model = VariationalAutoencoder(hidden_layer_sizes=(32,), random_state=0)
    >>> synthetic = model.fit(frame).sample(500, random_state=0)
    >>> bool((synthetic.dtypes == frame.dtypes).all())
    True
    >>> women = model.sample(500, random_state=0, condition={"sex": "female"})
    >>> print(f'{women["height"].mean():.1f}')
    164.8
    """

    beta: float = 1.0
    kl_warmup: float = 0.0
    free_bits: float = 0.0
    divergence: str = "kl"
    objective: str = "elbo"
    n_importance_samples: int = 5
    binarize: bool = False
    categorical_condition: Any = "auto"

    _objective_parameters = ("beta", "kl_warmup", "free_bits")

    _parameter_constraints = {
        "beta": [Interval(Real, 0, None, closed="left")],
        "kl_warmup": [Interval(Real, 0, 1, closed="both")],
        "free_bits": [Interval(Real, 0, None, closed="left")],
        "divergence": [StrOptions({"kl", "mmd"})],
        "objective": [StrOptions({"elbo", "iwae"})],
        "n_importance_samples": [Interval(Integral, 1, None, closed="left")],
        "binarize": ["boolean"],
        "categorical_condition": ["boolean", StrOptions({"auto"})],
    }

    _module_class = VariationalEncoderDecoder
    _asks_of_codes = True

    _objective = VariationalObjective
    _unused = {
        "loss": "its loss is minus the log likelihood: set likelihood=",
        "output_activation": "its likelihood says what rows can be: set likelihood=",
        "code_activation": "its codes are normal, with any mean",
        "tied_weights": "its encoder also gives variances, which its decoder does not take",
    }

    # -- the scikit-learn methods, with a condition ----------------------------------------------

    def posterior(self, X, condition=None):
        """Means and standard deviations of the posterior ``q(z | x)``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        condition : array-like, default=None
            As in `fit`.

        Returns
        -------
        mean, std : ndarray of shape (n_samples, `code_size_`)
        """
        return self._of_posterior(
            self._inputs(X, condition=condition), lambda posterior: posterior.stddev
        )

    def score_samples(
        self, X, *, target=None, condition=None, n_samples=N_SAMPLES, random_state=None
    ):
        r"""Bound on each row's log likelihood :math:`\log p(x)` in nats; higher is more normal.

        It is :math:`\log \frac{1}{K} \sum_k p(x, z_k) / q(z_k | x)` for :math:`K` draws from the
        posterior, no constant left out: for rows in other units, it differs by the logarithm of
        the unit. All rows share the same normal draws, so that a row's score does not depend on
        its company.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows. Of a row with missing entries it is the likelihood of the observed ones, and
            each other counts as ``-log(scale_)``: then no unit of X makes a row likelier.
        target : array-like of shape (n_samples, n_outputs), default=None
            What the rows should become; needed if `fit` was given one.
        condition : array-like, default=None
            As in `fit`.
        n_samples : int, default=50
            Draws, :math:`K`. The bound rises with their number, towards :math:`\log p(x)`.
        random_state : int, RandomState instance or None, default=None
            Of the draws. None is the seed of `fit`: the same at every call.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
        """
        given = self._check_given(X, target, condition=condition)
        self._check_support(given, training=False)
        return self._score_samples(given, None, n_samples, random_state)

    def score(self, X, y=None, sample_weight=None, *, target=None, condition=None):
        """Mean of `score_samples`, in nats for each row; y is ignored.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the mean.
        target, condition : array-like, default=None
            As in `score_samples`.

        Returns
        -------
        score : float
        """
        scores = self.score_samples(X, target=target, condition=condition)
        return weighted_mean(scores, sample_weight)

    def elbo(self, X, *, target=None, condition=None, n_samples=N_SAMPLES, random_state=None):
        r"""The evidence lower bound of each row and its two terms, in nats.

        :math:`\mathbb E_{q(z|x)} \log p(x | z) - \mathrm{KL}(q(z|x) \,\|\, p(z))`: how well the row
        is rebuilt, less what its code says.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        target, condition, n_samples, random_state
            As in `score_samples`.

        Returns
        -------
        terms : tuple of ndarrays of shape (n_samples,)
            Named ``elbo``, ``log_likelihood`` and ``kl``; the first is the second less the third.
        """
        given = self._check_given(X, target, condition=condition)
        self._check_support(given, training=False)
        fit, kl = self._bound(evidence_lower_bound, given, None, n_samples, random_state).T
        return ELBO(fit - kl, fit, kl)

    def _of_posterior(self, given, second):
        """The means of the posteriors, and another number for each unit of the code."""

        def both(module, *x):
            posterior = module.encode_distribution(*x)
            return torch.cat([posterior.mean, second(posterior)], dim=-1)

        return np.split(self.net_.map_batches(both, *given.inputs), 2, axis=1)

    def _score_samples(self, given, net=None, n_samples=N_SAMPLES, random_state=None):
        return self._bound(importance_weighted_bound, given, net, n_samples, random_state)

    def _bound(self, bound, given, net, n_samples, random_state):
        """A bound on log p(x), with draws that all rows share."""
        check_n_samples(n_samples, self.code_size_)
        noise = self._noise(n_samples, self._seed if random_state is None else random_state)

        def of_rows(module, x, target, condition):
            batch = as_batch(module, x, target, condition)
            return bound(module, batch, noise.to(x))

        bounds = (net or self.net_).map_batches(of_rows, *given.rows)
        return check_finite(bounds, "The scores", given.X)

    def _noise(self, n_samples, random_state):
        generator = torch.Generator().manual_seed(draw_seed(random_state))
        return torch.randn((n_samples, self.code_size_), generator=generator)

    def _impute(self, given, n_draws=0, seed=0):
        noise = self._noise(N_SAMPLES_TO_FILL, self._seed)

        def of_rows(module, *x):
            batch = as_batch(module, x[0], None, *x[1:])
            if n_draws:
                return importance_resampled(module, batch, N_SAMPLES_TO_FILL, n_draws)
            return importance_weighted_mean(module, batch, noise.to(batch.x))

        with drawing(Draws(seed)), Redirected():
            rows = self.net_.map_batches(of_rows, *given.inputs)
        return rows.swapaxes(0, 1) if n_draws else rows

    # -- what the base asks for -------------------------------------------------------------------

    def _check_parameters(self):
        super()._check_parameters()
        if self.objective == "iwae" and (self.free_bits > 0 or self.divergence != "kl"):
            raise ValueError(
                "objective='iwae' is one bound on log p(x): it cannot be combined with "
                "free_bits or divergence='mmd', which change the divergence of objective='elbo'."
            )
        if self.binarize and self.likelihood != "bernoulli":
            raise ValueError(
                f"binarize=True draws zeros and ones, for likelihood='bernoulli', got "
                f"{self.likelihood!r}."
            )

    def _check_support(self, given, training=True):
        """Whether rows can be drawn from the likelihood at all."""
        if self.binarize and given.target is not None:
            raise ValueError(
                "binarize=True draws rows of X anew: it cannot be combined with a target."
            )
        self._check_likelihood(given, training)

    def _learn_units(self, given):
        super()._learn_units(given)
        self._mean_total = float(np.nansum(entries_of(given.by_weight().rebuilt)) / len(given.X))
        self._learn_histograms(given.by_weight().rebuilt)

    @property
    def _needs_copies(self):
        if self.divergence == "mmd":
            return "divergence='mmd' compares the codes of a batch with each other"
        return None

    def _default_code_size(self, n_features):
        size = super()._default_code_size(n_features)
        if not self._format.is_mixed:
            return size
        # Few numbers would not tell how so different columns go together; the prior prunes others.
        return max(size, math.ceil(0.75 * self._format.n_features))

    def _takes_long(self):
        return True  # the gradient is that of a draw

    def _make_encoder(self, n_outputs):
        return super()._make_encoder(2 * n_outputs)

    def _n_decoded(self):
        return self._make_likelihood().n_parameters

    def _join(self, *parts):
        likelihood = self._make_likelihood()
        if self.likelihood == "multinomial":
            likelihood.total.fill_(self._mean_total)
        module = self._module_class(
            likelihood,
            self.code_size_,
            *parts,
            n_draws=self.n_importance_samples if self.objective == "iwae" else 1,
            binarize=self.binarize,
        )
        module.settled = self.kl_warmup
        return module

    def _make_objective(self):
        settings = self.beta, self.kl_warmup, self.free_bits, self.divergence
        return self._objective(super()._make_objective(), *settings)

    def _keep(self, given, *args, **kwargs):
        super()._keep(given, *args, **kwargs)
        mean, kl = self._of_posterior(given.by_weight(), divergence)
        self.unit_kl_ = kl.mean(axis=0)
        self.active_units_ = int(np.sum(mean.var(axis=0) > ACTIVE))
        few = self.active_units_ < FEW_ACTIVE * self.code_size_
        trained = self.max_epochs != 0
        if trained and (few or self.unit_kl_.sum() < FEW_NATS) and len(mean) > 1:
            warn(
                f"Posterior collapse: {self.active_units_} of the {self.code_size_} units of the "
                f"code differ between rows, and a code says {self.unit_kl_.sum():.2g} nats: the "
                f"decoder ignores it. Lower beta (it is {self.beta}), or set kl_warmup or "
                "free_bits.",
                UserWarning,
            )
