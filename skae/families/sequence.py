"""The recurrent autoencoder: sequences of numbers, of any length, and of tokens."""

from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional as F

from .._sklearn import Interval, StrOptions
from ..base.autoencoder import BaseAutoencoder
from ..base.parameters import MOST_LAYERS, first
from ..engine.batches import Batch
from ..engine.objectives import Extended
from ..nn.autoencoder import find
from ..nn.recurrent import (
    CELLS,
    Past,
    RecurrentDecoder,
    RecurrentEncoder,
    SequenceEncoderDecoder,
    TokenDecoder,
    TokenEncoderDecoder,
    told,
)
from ..rows.given import check_integer
from ..rows.reading import check_codes
from ..rows.sequences import Sequences, is_ragged, padded
from ..rows.series import read_series
from ..rows.tokens import Tokens
from ..windows import fill_gaps, find_period, windows_at

# What `fit_series` reads of a series, and windows that it trains on at most: more overlap too much.
PERIODS_READ, MOST_WINDOWS = 2, 5000


class TokenObjective(Extended):
    """``-log p(token)``, in nats."""

    def entries(self, output, batch, module):
        logits = output.reconstruction.unflatten(1, (batch.target.shape[1], -1))
        return F.cross_entropy(logits.transpose(1, 2), batch.target.long(), reduction="none")


class SequenceAutoencoder(BaseAutoencoder):
    r"""Learns codes of sequences by recurrent nets.

    Minimizes the mean over rows of

    .. math:: \frac{1}{|O|\,s^2} \sum_{(t, j) \in O} (x_{tj} - \hat x_{tj})^2, \qquad
       z = W h_T + V x, \quad h_t = \mathrm{cell}(x_t, h_{t-1}), \quad
       \hat x_t = W' g_t + V'_t z, \quad g_t = \mathrm{cell}(z, g_{t-1}),

    where :math:`O` holds the observed entries and :math:`s` is ``scale_``. The code is a projection
    of the encoder's last state, and the decoder unrolls from it. Beside both stands a linear path
    (:math:`V`, :math:`V'`) that starts at PCA. Rows may differ in length: the encoder stops at the
    end of each, and what comes after it counts nowhere. With a ``vocabulary``, steps are tokens,
    and the error of one is :math:`-\log p(x_t | z)`, in nats.

    Parameters
    ----------
    code_size : int, float or None, default=32
        Numbers in the code, as in :class:`Autoencoder`.
    cell : {"gru", "lstm"}, default="gru"
        Of encoder and decoder.
    hidden_size : int, default=64
        Units of each recurrent layer.
    n_layers : int, default=1
        Recurrent layers of either half.
    bidirectional : bool, default=False
        Whether the encoder reads the rows from both ends.
    reverse : bool, default=False
        Whether the decoder begins with the last step, which the encoder saw last (Srivastava et
        al., 2015).
    teacher_forcing : float, default=0.0
        Share of the steps before which the decoder is shown the true previous step while it
        trains; at the others it is shown nothing. When it is used it is shown what it gave itself.
        With 0 it is never shown anything but the code, and there is no loop over the steps.
        Otherwise there is no linear path.
    horizon : int, default=0
        Steps at the end of each row that are hidden from the encoder, and predicted by a decoder
        of their own (the composite model): see `forecast`.
    vocabulary : int, str or sequence, default=None
        For rows of tokens: their number, if they are 0, 1, and so on, or the symbols themselves,
        as a string of characters or a list.
    embedding_size : int, default=32
        Numbers that stand for a token in the recurrent nets.
    n_channels : int, default=None
        Numbers at each step. Needed if rows are flat and have more than one.
    hidden_layer_sizes : tuple of int, default=()
        Dense layers between the last state and the code; the decoder mirrors them.
    **other_parameters
        Those of :class:`Autoencoder`, with the same defaults; ``tied_weights`` must be False.
        ``dropout`` acts between layers.

    Attributes
    ----------
    n_steps_ : int
        Steps of the longest row, with those of the ``horizon``.
    n_channels_ : int
        Numbers at each step.
    center_ : ndarray of shape (n_features,)
        Mean of each column; where some rows have ended, drawn to the mean over all steps by their
        share.
    **other_attributes
        Those of :class:`Autoencoder`.

    Raises
    ------
    ValueError
        If a sequence has length 0 or no observed entry, is longer than those of `fit` or has
        another number of channels, if a token is not in the vocabulary, and as :class:`Autoencoder`
        does.

    See Also
    --------
    ConvolutionalAutoencoder : For signals, faster.

    Notes
    -----
    Rows come as arrays of shape (n, t) or (n, t, d), as lists of arrays of different lengths, or as
    such arrays with NaN after each row's end; tokens as lists, as arrays of integers with -1 after
    the end, or as strings. Codes and scores are the same in either form. If all rows of `fit` are
    of one length, rows are never taken to end early: NaN are then missing entries.

    References
    ----------
    Srivastava, Mansimov, Salakhutdinov: Unsupervised learning of video representations using LSTMs.
    ICML 2015. arXiv:1502.04681.

    Malhotra et al.: LSTM-based encoder-decoder for multi-sensor anomaly detection. 2016.
    arXiv:1607.00148.

    Cho et al.: Learning phrase representations using RNN encoder-decoder. EMNLP 2014.
    arXiv:1406.1078.

    Bowman et al.: Generating sentences from a continuous space. CoNLL 2016. arXiv:1511.06349.

    Examples
    --------
    >>> import numpy as np
    >>> from skae import SequenceAutoencoder
    >>> rng = np.random.default_rng(0)
    >>> lengths = rng.integers(10, 20, size=60)
    >>> waves = [np.sin(rng.uniform(0, 6) + 0.3 * np.arange(n)) for n in lengths]
    >>> autoencoder = SequenceAutoencoder(4, hidden_size=16, early_stopping=False)
    >>> codes = autoencoder.set_params(random_state=0).fit_transform(waves)
    >>> codes.shape, autoencoder.inverse_transform(codes).shape
    ((60, 4), (60, 19))
    >>> [len(wave) for wave in autoencoder.reconstruct(waves)] == lengths.tolist()
    True
    """

    code_size: Any = first(default=32)
    cell: str = "gru"
    hidden_size: int = 64
    n_layers: int = 1
    bidirectional: bool = False
    reverse: bool = False
    teacher_forcing: float = 0.0
    horizon: int = 0
    vocabulary: Any = None
    embedding_size: int = 32
    n_channels: int | None = None
    hidden_layer_sizes: Any = ()

    _streams = False  # rows are lists of any length
    _parameter_constraints = {
        "cell": [StrOptions(set(CELLS))],
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "n_layers": [Interval(Integral, 1, MOST_LAYERS, closed="both")],
        "bidirectional": ["boolean"],
        "reverse": ["boolean"],
        "teacher_forcing": [Interval(Real, 0, 1, closed="both")],
        "horizon": [Interval(Integral, 0, None, closed="left")],
        "vocabulary": [Interval(Integral, 1, None, closed="left"), str, "array-like", None],
        "embedding_size": [Interval(Integral, 1, None, closed="left")],
        "n_channels": [Interval(Integral, 1, None, closed="left"), None],
    }

    # -- the scikit-learn methods ---------------------------------------------------------------

    def inverse_transform(self, X, lengths=None):
        """The sequences that codes stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, `code_size_`)
            Codes, as `transform` gives them.
        lengths : array-like of shape (n_samples,), default=None
            Steps of each row, which codes of numbers do not say: what comes after is NaN. None is
            all steps. Tokens say themselves where they end.

        Returns
        -------
        X_original : ndarray of shape (n_samples, `n_steps_`) or (n_samples, `n_steps_`, d)
            In the shape of the rows of `fit`; if those were strings, strings.
        """
        codes = check_codes(self, X)
        if lengths is not None:
            lengths = self._check_lengths(lengths, codes)
        rows = self._decode(codes, lengths if self._takes_lengths() else None)
        return self._restored(self._target_format.ended(rows, lengths), X)

    def reconstruct(self, X):
        """The sequences of X rebuilt, and with a ``horizon`` their last steps predicted.

        Parameters
        ----------
        X : array-like or list of arrays
            The rows.

        Returns
        -------
        X_hat : ndarray or list of ndarrays
            In the shape of X, each row as long as it was.
        """
        check_is_fitted(self)
        given = self._inputs(X)
        lengths = None if self._paired else given.condition
        rows = self._target_format.ended(self._reconstruct(given), lengths)
        rows = self._restored(rows, X)
        if self._tokens or lengths is None or not is_ragged(X):
            return rows
        return [row[: int(n)] for row, n in zip(rows, lengths[:, 0], strict=True)]

    def fit_series(self, series, n_past="auto"):
        """Learn to predict one long series: `fit` to its windows, of past and ``horizon``.

        ``forecast(series)`` then says how it goes on.

        Parameters
        ----------
        series : array-like of shape (n_points,) or (n_points, n_channels)
            Points at equal times; missing ones are filled on a straight line.
        n_past : int or "auto", default="auto"
            Points that are read before those predicted. "auto" is twice the period of the series
            (:func:`skae.windows.find_period`), and at least the ``horizon``.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If ``horizon`` is 0, or the series is shorter than two windows.
        """
        if not self.horizon:
            raise ValueError("fit_series learns to predict: set horizon= to a number of points.")
        series = fill_gaps(read_series(series))
        if isinstance(n_past, str) and n_past == "auto":
            n_past = max(self.horizon, PERIODS_READ * (find_period(series) or 0))
            n_past = max(1, min(n_past, len(series) // 2 - self.horizon))
        length = check_integer(n_past, "n_past") + self.horizon
        if len(series) < 2 * length:
            raise ValueError(
                f"series has {len(series)} points, fewer than two windows of {length} (n_past + "
                "horizon): give a longer one, or smaller numbers."
            )
        n_windows = len(series) - length + 1
        starts = np.arange(0, n_windows, -(-n_windows // MOST_WINDOWS))
        return self.fit(windows_at(series, length, starts))

    def forecast(self, X):
        """The ``horizon`` steps that follow the sequences of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, t) or (n_samples, t, d), or list of arrays
            What came before. The last ``n_steps_ - horizon`` steps are read, as many as were read
            in `fit`. Or one series, of shape (t,) or (t, d).

        Returns
        -------
        X_next : ndarray of shape (n_samples, `horizon`) or (n_samples, `horizon`, d)
            With d as in the rows of `fit`. Of one series, without the first axis.
        """
        check_is_fitted(self)
        if not self.horizon:
            raise ValueError(
                "forecast needs a net that was trained to predict: set horizon= before fit."
            )
        n_read, d = self.n_steps_ - self.horizon, self.n_channels_
        one = False
        if not is_ragged(X):
            X = np.asarray(X)
            one = X.ndim == 1 or (X.ndim == 2 and d > 1 and X.shape[1] == d)
            X = X.reshape(1, len(X), -1) if one else X
            if X.ndim == 2 and (d == 1 or X.shape[1] % d == 0):
                X = X.reshape(len(X), -1, d)
        rows = []
        for i, row in enumerate(X):
            row = np.asarray(row, dtype=float if isinstance(row, list) else None)
            row = row.reshape(len(row), -1)[-n_read:]
            if row.shape[1] != d:
                raise ValueError(
                    f"Row {i} of X has {row.shape[1]} numbers at each step, but "
                    f"{type(self).__name__} was fitted to {d}."
                )
            if len(row) < n_read and not self._varies:
                raise ValueError(
                    f"Row {i} of X has {len(row)} steps, but forecast reads {n_read}, as fit did."
                )
            rows.append(np.concatenate([row, np.zeros((self.horizon, d), row.dtype)]))
        flat = padded(rows, self.n_steps_).reshape(len(rows), -1)
        given = self._inputs(flat)
        rebuilt = self._reconstruct(given).reshape(len(flat), self.n_steps_, d)
        ends = np.array([len(row) for row in rows])[:, None] - self.horizon
        after = rebuilt[np.arange(len(rows))[:, None], ends + np.arange(self.horizon)]
        after = after if self._format.shape is not None else after.reshape(len(rows), -1)
        return after[0] if one else after

    # -- what comes in --------------------------------------------------------------------------

    _formats = (Tokens, Sequences)
    _module_class = SequenceEncoderDecoder

    @property
    def _tokens(self):
        return self.vocabulary is not None

    @property
    def _n_tokens(self):
        """Tokens, and what ends a row."""
        return self._format.n_tokens + 1

    def _learn_format(self):
        super()._learn_format()
        self.n_steps_, self.n_channels_ = self._format.steps
        if self.horizon >= self.n_steps_:
            raise ValueError(
                f"horizon={self.horizon} steps are predicted from those before them, but rows have "
                f"{self.n_steps_} steps."
            )

    def _check_target(self, target, X, reset=False):
        if target is not None and (self._tokens or self.horizon or self.teacher_forcing):
            raise ValueError(
                "A target cannot be combined with vocabulary, horizon or teacher_forcing: those "
                "speak of the rows of X."
            )
        return super()._check_target(target, X, reset)

    def _condition(self, rows, reset=False):
        """Steps of each row, of shape (n, 1), or None where all rows have all of them."""
        lengths = self._format.lengths(rows)
        if not lengths.all():
            raise ValueError(
                f"{np.sum(lengths == 0)} sequence(s) of X have no observed entry (the first is row "
                f"{np.argmin(lengths)}): leave them out."
            )
        if not self._varies:
            return None
        if np.any(lengths <= self.horizon) and not self._tokens:
            raise ValueError(
                f"Row {np.argmin(lengths)} of X has {lengths.min()} steps, but horizon="
                f"{self.horizon} of them are predicted from those before."
            )
        return lengths[:, None].astype(rows.dtype)

    @property
    def _varies(self):
        """Whether the module is told where rows end."""
        return self._takes_lengths() and self._format.varies

    def _check_lengths(self, lengths, codes):
        if self._paired:
            raise ValueError(
                "lengths are those of X, but this net was fitted to build a target: leave them out."
            )
        lengths = np.asarray(lengths)
        if lengths.shape != (len(codes),):
            raise ValueError(
                f"lengths must be of shape {(len(codes),)}, one for each code, but is of shape "
                f"{lengths.shape}."
            )
        if lengths.min() <= self.horizon or lengths.max() > self.n_steps_:
            raise ValueError(
                f"lengths must be from {self.horizon + 1} to {self.n_steps_}, but span "
                f"[{lengths.min()}, {lengths.max()}]."
            )
        return lengths[:, None].astype(codes.dtype)

    # -- what the base asks for -------------------------------------------------------------------

    def _takes_lengths(self):
        """Modules of other families do not: to them, what comes after a row's end is missing."""
        return issubclass(self._module_class, SequenceEncoderDecoder)

    def _check_parameters(self):
        super()._check_parameters()
        if self.tied_weights:
            raise ValueError(
                f"tied_weights=True is for dense layers; {type(self).__name__} has recurrent ones."
            )
        if not self._takes_lengths() and (self._tokens or self.teacher_forcing):
            raise ValueError(
                f"vocabulary and teacher_forcing are not available in {type(self).__name__}, whose "
                "module is that of another family."
            )
        if self.teacher_forcing and self.decoder is not None:
            raise ValueError(
                "teacher_forcing shows steps to the built-in decoder: set it to 0 with a decoder= "
                "of your own."
            )
        if not self._tokens:
            return
        for name, value in {"loss": "squared_error", "output_activation": "auto"}.items():
            if getattr(self, name) != value:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is for numbers: with a vocabulary the error "
                    "is the cross-entropy."
                )
        if self.horizon:
            raise ValueError("horizon is for numbers: set horizon=0, or vocabulary=None.")
        if self.code_size is not None and not isinstance(self.code_size, Integral):
            raise ValueError(
                f"code_size={self.code_size} is a share of a variance, which tokens have not: give "
                "an integer."
            )

    def _default_code_size(self, n_features):
        return max(self.n_channels_, super()._default_code_size(n_features))

    def _learn_units(self, given):
        super()._learn_units(given)
        if not self._tokens:
            self.center_ = self._mean_by_step(given)
        if not self._paired:
            self.target_center_, self.target_scale_ = self.center_, self.scale_

    def _mean_by_step(self, given):
        """The center of each column, drawn to that of all steps by the share of rows that ended."""
        X = given.X.reshape(len(given.X), *self._format.steps)
        observed = ~np.isnan(X)
        if not observed.any(axis=(0, 1)).all():
            raise ValueError(
                f"X has no observed entry in channel(s) "
                f"{np.flatnonzero(~observed.any(axis=(0, 1))).tolist()}: drop them."
            )
        overall = np.nanmean(X, axis=(0, 1), dtype=float)
        means = np.where(observed.any(axis=0), self.center_.reshape(self._format.steps), overall)
        if self._varies:
            going_on = (given.condition > np.arange(self.n_steps_)).mean(axis=0)[:, None]
            means = going_on * means + (1 - going_on) * overall
        return means.ravel()

    def _shortcut(self):
        return None if self._tokens or self.teacher_forcing else super()._shortcut()

    def _is_linear(self, sizes):
        return False

    def _n_decoded(self):
        return self._n_outputs * self._n_tokens if self._tokens else super()._n_decoded()

    def _settings(self):
        names = (
            "activation", "dropout", "cell", "hidden_size", "n_layers", "bidirectional", "reverse",
            "teacher_forcing", "horizon", "embedding_size",
        )  # fmt: skip
        settings = {name: getattr(self, name) for name in names}
        settings["n_tokens"] = self._n_tokens if self._tokens else None
        return settings

    def _make_encoder(self, n_outputs):
        encoder = super()._make_encoder(n_outputs)
        if self.horizon:
            return torch.nn.Sequential(Past(self._format.steps, self.horizon), encoder)
        return encoder

    def _encoder_path(self, sizes):
        hidden, settings = sizes[1:-1], self._settings()
        return RecurrentEncoder(self._format.steps, hidden, sizes[-1], self._n_conditions, settings)

    def _decoder_path(self, sizes, encoder):
        steps = self._target_format.steps
        kind = TokenDecoder if self._tokens else RecurrentDecoder
        ends, hidden = (sizes[0], sizes[-1]), sizes[1:-1]
        return kind(steps, hidden, *ends, not self._paired, self._settings())

    def _join(self, *parts):
        kind = TokenEncoderDecoder if self._tokens else SequenceEncoderDecoder
        return kind(*parts)

    def _make_objective(self):
        objective = super()._make_objective()
        return TokenObjective(objective) if self._tokens else objective

    def _start(self, module, rows):
        if self.horizon:  # the best linear prediction, of rank code_size, rather than PCA
            with torch.no_grad(), told(rows.condition):
                x = find(module.encoder, Past)(rows.x)
            rows = Batch(x, rows.target, rows.observed, rows.condition)
        return super()._start(module, rows)
