"""The compressor: rows to bytes and back, with an autoencoder as what is expected of them."""

import copy
import hashlib
import json
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_array, check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from .._errors import memory_bytes, unchanged_on_failure
from .._sklearn import HasMethods, Interval, fit_context
from ..base.autoencoder import BaseAutoencoder
from ..base.lazily import LazyMixin, lazily
from ..base.naming import NamesMixin
from ..base.saving import SavingMixin
from ..engine.seeds import draw_seed
from ..families.autoencoder import Autoencoder
from ..rows.table import Axes
from .block_files import BlockFiles
from .column_codec import MODEL, TABLE, ColumnCodec
from .container import DamagedBytes, WrongModel, check_fingerprint, join, split
from .entropy import N_TOKENS, counts_of, n_bits_of, tokens_of
from .fixed_rate import FixedRate
from .grids import Container, Grid, dtypes_of, in_dtype, restored
from .prediction import Prediction

# Steps of the code, in standard deviations, of which the one is taken that needs the fewest bits.
CODE_STEPS = (1.0, 0.3, 0.1, 0.03)
# Bits of a row at most, and of one number of the default autoencoder's code.
MOST_RATE, BITS_OF_NUMBER = 2**16, 3
# Rows that the decoder rebuilds at once: always as many, so that it rounds alike.
BLOCK = 256
# Rows of `fit` that linear maps are learned of, at most, and the share that chooses the step.
MOST_ROWS, JUDGING = 10_000, 0.25
DAMAGES = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)


def has_rate(compressor):
    return compressor.rate is not None


class AutoencoderCompressor(LazyMixin, BlockFiles, NamesMixin, SavingMixin, BaseEstimator):
    r"""Compresses rows to bytes, with a bound on every entry's error, or to so many bits a row.

    The code :math:`z` of a row is rounded and written, and then, column by column, how far the
    entry is from what is expected of it, on a grid of step :math:`s_j = 2 \epsilon_j`:

    .. math:: r_j = \operatorname{round}(x_j / s_j)
        - \operatorname{round}\big((b_j + a_j^T [d(z), x_{<j}]) / s_j\big),

    in :math:`-\sum_j \log_2 p_j(r_j)` bits. The decoder :math:`d`, the linear maps and the
    frequencies :math:`p_j` are those of the fitted compressor, which is needed to decompress.

    With a ``rate`` there is the rounded code alone, of a fixed size and without a bound:
    `transform` gives its bytes.

    Parameters
    ----------
    autoencoder : estimator, default=None
        The autoencoder of skae, which is cloned; of those that take tables of numbers or images
        and have an `inverse_transform`. None is ``Autoencoder(code_size=2)``, and with a ``rate``
        one number of code for every three bits.
    max_error : float, str or array-like of shape (n_features,), default=0
        How far an entry may be off, in units of X; one for each column, or a share of each
        column's standard deviation as a text, ``"1%"``. 0 is lossless. Without a ``rate`` only.
    rate : int, default=None
        Bits of a row. None is as many as ``max_error`` asks for.
    random_state : int, RandomState instance or None, default=None
        Of the autoencoder, unless it has its own, and of the rows that choose the step of codes.

    Attributes
    ----------
    autoencoder_ : estimator
        The fitted autoencoder.
    max_error_ : ndarray of shape (n_features,)
        The bound of each column.
    code_step_ : float or None
        Step of the rounded code, in standard deviations; None: no code pays, or a ``rate``.
    code_bits_ : ndarray of shape (code_size,)
        Bits of each axis of the code, with a ``rate``.
    bits_per_entry_ : float
        Of the training rows, header included; the model is not.
    fingerprint_ : str
        Of the model: bytes of another one are refused.
    n_features_in_, feature_names_in_
        Of the rows of `fit`.

    Raises
    ------
    ImportError
        If constriction is not installed, which comes with ``skae[compression]``.
    ValueError
        If bytes are damaged, were made by another model, or X holds other than numbers.

    See Also
    --------
    VectorQuantizedAutoencoder : Codes of whole numbers, of one size, and no bound on the error.

    Notes
    -----
    The encoder checks each entry against its bound, and writes those that are off as they are.
    Columns for which the model does not pay are written by the best of pcodec, zstandard, LZMA and
    zlib, and so are floats of many digits with ``max_error=0``, bit for bit but for the sign and
    payload of NaN in other columns. The index of a frame is not kept.

    The decoder is run in float64 on the CPU, and its rounded answers have a checksum: where
    another machine rounds otherwise, `decompress` raises and does not give wrong rows.

    With a ``rate``, codes are turned to axes of falling effect on the row, each bit goes to the
    axis that has the most error left, and the levels of an axis are those of least error (Lloyd
    and Max). Missing entries come back filled.

    References
    ----------
    Lloyd: Least squares quantization in PCM. IEEE Transactions on Information Theory 28, 1982.

    Bamler: Understanding entropy coding with asymmetric numeral systems (ANS). 2022.
    arXiv:2201.01741.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder, AutoencoderCompressor
    >>> X = load_digits().data.astype(np.uint8)
    >>> compressor = AutoencoderCompressor(Autoencoder(4, max_epochs=0), random_state=0)
    >>> compressor = compressor.fit(X[::2])
    >>> content = compressor.compress(X[1::2])
    >>> bool((compressor.decompress(content) == X[1::2]).all())
    True
    >>> print(f"{8 * len(content) / X[1::2].size:.2f}")
    2.57

    Eight bytes for each image:

    >>> small = AutoencoderCompressor(rate=64, random_state=0).fit(X[::2])
    >>> codes = small.transform(X[1::2])
    >>> codes.shape, codes.dtype
    ((898, 8), dtype('uint8'))
    >>> print(f"{np.mean((small.inverse_transform(codes) - X[1::2].astype(float)) ** 2):.1f}")
    1.5
    """

    _parameter_constraints = {
        "autoencoder": [HasMethods(["fit", "transform"]), None],
        "max_error": [Real, str, "array-like"],
        "rate": [Interval(Integral, 1, MOST_RATE, closed="both"), None],
        "random_state": ["random_state"],
    }

    _fixed = None  # also in files that are older than the rate

    def __init__(self, autoencoder=None, *, max_error: object = 0, rate=None, random_state=None):
        self.autoencoder = autoencoder
        self.max_error = max_error
        self.rate = rate
        self.random_state = random_state

    @unchanged_on_failure
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Learn what rows are like.

        Parameters
        ----------
        X : array or frame of numbers, of shape (n_samples, n_features) or (n_samples, ...)
            The rows; NaN marks a missing entry.
        y : None
            Ignored.

        Returns
        -------
        self : object
        """
        self._format = Axes()
        rows = self._format.learn(X, self)
        given = Container(X)
        rng = check_random_state(draw_seed(self.random_state))
        self._fixed = self.code_bits_ = None
        if self.rate is not None:
            return self._fit_rate(rows, rng)
        self.max_error_ = self._bounds(rows)
        bounds = zip(given.columns, self.max_error_, strict=True)
        grids = [Grid(column, bound) for column, bound in bounds]
        self._codec = ColumnCodec(grids, np.nanmean(rows, axis=0, dtype=np.float64))
        self.autoencoder_ = self._fit_autoencoder(rows, rng, code_size=min(2, rows.shape[1]))
        self._learn_prediction(given, rows, rng)
        self.fingerprint_ = self._fingerprint()
        self.bits_per_entry_ = 8 * len(self.compress(X)) / rows.size
        return self

    def compress(self, X):
        """The rows of X as bytes.

        Parameters
        ----------
        X : array or frame of numbers, of the columns of `fit`
            The rows.

        Returns
        -------
        content : bytes
        """
        check_is_fitted(self)
        rows = self._format.rows(X, self)
        given = Container(X)
        if self._fixed is not None:
            header = given.header() | {"n": len(rows), "fingerprint": self.fingerprint_}
            return join(header | {"modes": MODEL * rows.shape[1]}, [self._packed(rows).tobytes()])
        code = rebuilt = None
        if self.code_step_ is not None:
            code = self._code(rows)
            rebuilt = self._rebuilt(code)
        coded, parts = self._codec.encode(given.columns, code, rebuilt)
        header = given.header() | {"n": len(rows), "fingerprint": self.fingerprint_} | coded
        return join(header, parts)

    def decompress(self, content):
        """The rows that `compress` was given, each entry within its bound.

        Parameters
        ----------
        content : bytes
            What `compress` gave.

        Returns
        -------
        X : array or frame
            With the columns and dtypes that they had.
        """
        check_is_fitted(self)
        header, parts = split(content)
        try:
            check_fingerprint(header["fingerprint"], self.fingerprint_)
            check_n_rows(header["n"], self._format.n_features)
            dtypes = dtypes_of(header, self._format.n_features)
            if self._fixed is not None:
                packed = np.frombuffer(parts[0], np.uint8).reshape(header["n"], self._fixed.n_bytes)
                rows = self._unpacked(packed)
                return restored(
                    header, [in_dtype(x, t) for x, t in zip(rows.T, dtypes, strict=True)]
                )
            columns = self._codec.decode(header, parts, dtypes, self._rebuilt)
            return restored(header, columns)
        except (DamagedBytes, WrongModel):
            raise
        except DAMAGES as error:
            raise DamagedBytes(f"The bytes are damaged: {error}") from error

    def info(self, content):
        """What bytes hold, of which nothing is decompressed.

        Parameters
        ----------
        content : bytes
            What `compress` gave.

        Returns
        -------
        info : dict
            ``n_samples``, ``n_bytes``, ``fingerprint`` of the model, ``columns`` (names, or None),
            and ``modelled``, the share of columns that are coded by the model.
        """
        header, _ = split(content)
        modes = header["modes"]
        return {
            "n_samples": header["n"],
            "n_bytes": len(content),
            "fingerprint": header["fingerprint"],
            "columns": header["names"],
            "modelled": sum(m in (MODEL, TABLE) for m in modes) / len(modes),
        }

    def score(self, X, y=None):
        """Minus the bits an entry that X takes, header included; with a ``rate``, minus the squared
        error of a row: higher is better.

        Parameters
        ----------
        X : array or frame of numbers, of the columns of `fit`
            The rows.
        y : None
            Ignored.

        Returns
        -------
        score : float
        """
        check_is_fitted(self)
        if self._fixed is not None:
            rows = self._format.rows(X, self)
            errors = rows - self._unpacked(self._packed(rows))
            return -float(np.nansum(np.square(errors), axis=1).mean())
        return -8 * len(self.compress(X)) / (len(X) * len(self.max_error_))

    @available_if(has_rate)
    @lazily
    def transform(self, X):
        """The codes of rows as bytes, with a ``rate``.

        Parameters
        ----------
        X : array or frame of numbers, of the columns of `fit`
            The rows.

        Returns
        -------
        X_new : ndarray of uint8 of shape (n_samples, ceil(rate / 8))
        """
        check_is_fitted(self)
        return self._packed(self._format.rows(X, self))

    @available_if(has_rate)
    def fit_transform(self, X, y=None):
        """`fit`, and the codes of the same rows, with a ``rate``."""
        return self.fit(X, y).transform(X)

    @available_if(has_rate)
    @lazily
    def inverse_transform(self, X):
        """The rows that codes stand for, with a ``rate``.

        Parameters
        ----------
        X : array of integers from 0 to 255, of shape (n_samples, ceil(rate / 8))
            What `transform` gave.

        Returns
        -------
        X_original : array or frame
            Rows as floats.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=None)
        n_bytes = self._fixed.n_bytes
        if X.dtype.kind not in "iu" or X.shape[1] != n_bytes or X.min() < 0 or X.max() > 255:
            raise ValueError(
                f"X must be {n_bytes} integers from 0 to 255 a row, the bytes that transform "
                f"gives; found {X.dtype} of shape {X.shape}."
            )
        return self._format.restore(self._unpacked(X.astype(np.uint8)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    # -- fitting ----------------------------------------------------------------------------------

    def _bounds(self, rows):
        """How far the entries of each column may be off."""
        given, n = self.max_error, rows.shape[1]
        if isinstance(given, str):
            try:
                share = float(given.removesuffix("%")) / 100 if given.endswith("%") else np.nan
            except ValueError:
                share = np.nan
            bounds = share * np.nanstd(rows, axis=0, dtype=np.float64)
        else:
            bounds = np.asarray(given, dtype=np.float64)
        if bounds.ndim > 1 or (bounds.ndim == 1 and len(bounds) != n):
            raise ValueError(
                f"max_error must be one number or {n}, one for each column; it has shape "
                f"{bounds.shape}."
            )
        if not np.all(np.isfinite(bounds) & (bounds >= 0)):
            raise ValueError(
                "max_error must be finite and at least 0, or a share of the standard deviation "
                f'such as "1%", got {given!r}.'
            )
        return np.broadcast_to(bounds, n).copy()

    def _fit_rate(self, rows, rng):
        """Learn the levels of a code of so many bits."""
        n_numbers = min(rows.shape[1], max(1, self.rate // BITS_OF_NUMBER))
        self.autoencoder_ = self._fit_autoencoder(rows, rng, n_numbers)
        self._fixed = FixedRate(self.rate).learn(self._codes(rows), self._decoded)
        self.code_bits_, self.code_step_ = self._fixed.bits, None
        self.fingerprint_ = self._fingerprint()
        self.bits_per_entry_ = 8 * self._fixed.n_bytes / rows.shape[1]
        return self

    def _packed(self, rows):
        return self._fixed.pack(self._codes(rows))

    def _unpacked(self, packed):
        return self._decoded(self._fixed.unpack(packed))

    def _decoded(self, codes):
        """Flat rows of codes."""
        return np.asarray(self.autoencoder_.inverse_transform(codes)).reshape(len(codes), -1)

    def _fit_autoencoder(self, rows, rng, code_size):
        given = self.autoencoder
        given = Autoencoder(code_size=code_size) if given is None else given
        if not isinstance(given, BaseAutoencoder) or not hasattr(given, "inverse_transform"):
            raise TypeError(
                f"autoencoder must be one of skae with an inverse_transform, got {given!r}."
            )
        estimator = clone(given)
        if estimator.get_params().get("random_state", 0) is None:
            estimator.set_params(random_state=int(rng.randint(np.iinfo(np.int32).max)))
        return estimator.fit(self._format.shaped(rows))

    def _learn_prediction(self, given, rows, rng):
        """The linear maps and frequencies, with the step of the code that needs the fewest bits."""
        chosen = np.sort(rng.permutation(len(rows))[:MOST_ROWS])
        codec = self._codec
        numbers, missing, modes, _ = codec.on_grids(given.columns)
        numbers, missing = numbers[chosen], missing[chosen]
        values = codec.values(numbers)
        coded = [j for j, mode in enumerate(modes) if mode == MODEL]
        codes = self._codes(rows[chosen])
        self._code_scale = codes.std(axis=0) + 1e-12
        n_judging = int(JUDGING * len(chosen))
        learning = np.ones(len(chosen), bool)
        learning[rng.permutation(len(chosen))[:n_judging]] = False
        found = []
        for step in (None, *CODE_STEPS) if coded else (None,):
            self.code_step_, rebuilt, bits, counts = step, None, 0.0, np.zeros((0, N_TOKENS), int)
            if step is not None:
                whole = np.rint(codes / (step * self._code_scale)).astype(np.int64)
                rebuilt = self._rebuilt(whole)
                split_code = [tokens_of(column) for column in whole.T]
                counts = np.array([counts_of(token) for token, *_ in split_code])
                parts = zip(split_code, counts, strict=True)
                bits = sum(n_bits_of(token, n, count) for (token, n, _), count in parts)
            prediction = Prediction().learn(values, numbers, codec.steps, rebuilt, learning)
            for j in coded:
                left = numbers[:, j] - prediction.expected(j, values, rebuilt)
                token, n_bits, _ = tokens_of(left[~missing[:, j]])
                bits += n_bits_of(token, n_bits, prediction.counts[j])
            found.append((bits, step, prediction, counts))
        _, self.code_step_, prediction, counts = min(found, key=lambda f: f[0])
        codec.prediction, codec.code_counts = prediction, counts

    def _fingerprint(self):
        digest = hashlib.sha256()
        for name, weight in sorted(self.autoencoder_.net_.module_.state_dict().items()):
            digest.update(name.encode() + weight.cpu().contiguous().numpy().tobytes())
        if self._fixed is not None:
            for array in (self._fixed.mean, self._fixed.turn, *self._fixed.levels):
                digest.update(np.ascontiguousarray(array).tobytes())
            return digest.hexdigest()[:16]
        codec = self._codec
        made = codec.prediction
        for array in (*made.inputs, *made.weights, made.biases, made.counts, codec.code_counts):
            digest.update(np.ascontiguousarray(array).tobytes())
        plain = [[grid.bound, grid.places, grid.step] for grid in codec.grids]
        digest.update(json.dumps([plain, self.code_step_]).encode())
        digest.update(self._code_scale.tobytes())
        return digest.hexdigest()[:16]

    # -- codes and expectations -------------------------------------------------------------------

    def _codes(self, rows):
        codes = self.autoencoder_.transform(self._format.shaped(rows))
        codes = codes.toarray() if hasattr(codes, "toarray") else np.asarray(codes)
        return codes.reshape(len(rows), -1).astype(np.float64)

    def _code(self, rows):
        whole = self._codes(rows) / (self.code_step_ * self._code_scale)
        return np.rint(whole.clip(-(2.0**40), 2.0**40)).astype(np.int64)

    def _rebuilt(self, whole):
        """Rows that rounded codes stand for, by the decoder in float64 on the CPU."""
        module = copy.deepcopy(self.autoencoder_.net_.module_).cpu().double().eval()
        codes = whole * (self.code_step_ * self._code_scale)
        padded = np.zeros((-(-len(codes) // BLOCK) * BLOCK, codes.shape[1]))
        padded[: len(codes)] = codes
        with torch.inference_mode(), threadpool_limits(1):
            blocks = torch.from_numpy(padded).split(BLOCK)
            rebuilt = [module.decode(block).reshape(BLOCK, -1).numpy() for block in blocks]
        rebuilt = np.concatenate(rebuilt)[: len(codes)]
        return np.nan_to_num(rebuilt, nan=0.0, posinf=0.0, neginf=0.0)


def check_n_rows(n, n_columns):
    """Whether the rows that a header states are a number, and fit into memory."""
    if not isinstance(n, int) or not 0 <= 8 * n * n_columns <= memory_bytes():
        raise DamagedBytes(
            f"The bytes are damaged: they say that they hold {n!r} rows of {n_columns} numbers, "
            "which is no number of rows that this machine's memory holds."
        )
