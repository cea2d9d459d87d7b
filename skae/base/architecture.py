"""The hooks of a family: from parameters to modules, and the linear maps that they start at."""

import copy
import math
from functools import partial
from numbers import Integral
from typing import NamedTuple

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV
from torch import nn

from .._errors import memory_bytes
from ..engine.batches import Batch, SparseRows
from ..engine.devices import resolve_device
from ..engine.objectives import CategoricalObjective, Objective
from ..nn.autoencoder import EncoderDecoder, Units, find
from ..nn.filling import GaussianFill
from ..nn.layers import ACTIVATIONS, Gate, GroupSoftmax, Noise, Shortcut, TiedLinear
from ..nn.mlp import MLP, ColumnMLP, TiedMLP
from ..rows.given import check_integer, entries_of

# The linear maps that training starts at are learned on so many entries of X at most.
START_ENTRIES = 2**24
# Of the ridge regression from X to a target, in units of the mean variance of a column.
PENALTIES = np.logspace(-4, 3, 15)
# Wider rows take too long to fill: a linear system of this size is solved for each.
WIDEST_FILL = 128
# Layers of more units are large enough to ask whether there is memory for them.
LARGE_LAYER = 10_000
# Bytes for each weight while it is trained: itself, its gradient, and two moments of it.
COPIES_OF_WEIGHTS = 16
# Integers that may be large, and make no layer.
OF_NO_LAYER = (
    "random_state",
    "max_epochs",
    "batch_size",
    "n_iter_no_change",
    "verbose",
    "vocabulary",
)


def check_size(make_module, params):
    """That a module fits into memory; an error names the parameters that make it large."""
    large = {name: value for name, value in params.items() if largest_of(value) > LARGE_LAYER}
    if not large:
        return
    try:
        with torch.device("meta"):
            module = make_module()
        n_weights = sum(p.numel() for p in (*module.parameters(), *module.buffers()))
    except RuntimeError:  # more bytes than can be counted
        n_weights = math.inf
    if COPIES_OF_WEIGHTS * n_weights > memory_bytes():
        names = ", ".join(f"{name}={value!r}" for name, value in large.items())
        raise ValueError(
            f"A net with {names} has {n_weights:.3g} weights, which do not fit into this machine's "
            "memory: ask for less."
        )


def check_layers(sizes, name):
    """That the numbers of units of layers are such."""
    for n in np.atleast_1d(np.asarray(sizes, dtype=object)):
        check_integer(n, name)


class LinearMaps(NamedTuple):
    """The best linear encoder and decoder, and the variance by number in the code."""

    encoder: tuple  # weight, bias
    decoder: tuple
    variances: np.ndarray
    noise: float  # mean variance of the components that are left out
    shares: np.ndarray  # of the variance

    def as_tensors(self):
        """The same in float32."""
        halves = ([torch.from_numpy(a.copy()).float() for a in half] for half in self[:2])
        return self._replace(
            **dict(zip(("encoder", "decoder"), halves, strict=True)),
            variances=torch.from_numpy(self.variances).float(),
        )


class Architecture:
    """Makes the modules. It has the parameters of `BaseAutoencoder`.

    A family overrides some of the hooks ``_make_encoder``, ``_make_decoder``, ``_make_module`` and
    ``_make_objective``; they may read ``n_features_in_``, ``n_outputs_`` and ``code_size_``. Each
    calls ``super()`` where it wraps rather than replaces, so that families cross by inheritance.
    """

    _module_class = EncoderDecoder  # what `_join` makes
    _n_conditions = 0  # numbers that both halves are told beside the row and the code
    _fill = False  # whether missing entries are filled before the encoder sees them
    _ridge = None  # of these fills: what the first net of a fit has found is that of all

    @property
    def _n_inputs(self):
        """Numbers in a flat row of X."""
        return self._format.n_numbers

    @property
    def _n_told(self):
        """Numbers that the decoder is told."""
        return self.code_size_ + self._n_conditions

    @property
    def _n_outputs(self):
        """Numbers in a flat row of what is rebuilt."""
        return self._target_format.n_numbers

    def _make_encoder(self, n_outputs):
        """Module from standardized rows to codes."""
        n_inputs = self._n_inputs + self._n_conditions
        sizes = [n_inputs, *self._hidden_layer_sizes(), n_outputs]
        make = partial(self._encoder_path, sizes)
        path = self._make_path("encoder", make, sizes, self.code_size_)
        if self._shortcut() is not None:
            path = Shortcut(path, nn.Linear(n_inputs, self.code_size_))
        if self._fill:
            path = nn.Sequential(GaussianFill(self._n_inputs), path)
        activation = self._code_activation()
        return path if activation == "identity" else nn.Sequential(path, ACTIVATIONS[activation]())

    def _fills(self, X):
        """Whether `GaussianFill` stands before the encoder of these rows."""
        if not self._format.fills:
            if self.fill == "gaussian":
                raise ValueError(
                    f"fill='gaussian' is for the columns of a table: {type(self).__name__} takes "
                    "a missing entry for the mean of its place, so set fill='auto'."
                )
            return False
        if self.fill != "auto":
            return self.fill == "gaussian"
        missing = self._format.expects_missing or np.isnan(entries_of(X)).any()
        return bool(missing) and X.shape[1] <= WIDEST_FILL

    def _filled(self, module, rows):
        """The rows that the start is learned of: filled, if the module fills them."""
        if not self._fill:
            return rows
        rows = start_rows(rows) if isinstance(rows.x, SparseRows) else rows
        fill = find(module.encoder, GaussianFill)
        self._ridge = fill.learn(rows.x, self._ridge)
        x = fill(rows.x)
        target = x if rows.target is rows.x else rows.target
        return Batch(x, target, rows.observed, rows.condition)

    def _filled_once(self, module, rows):
        """The rows filled, where each step of training would fill them in the same way."""
        fill = find(module.encoder, GaussianFill)
        large = isinstance(rows.x, SparseRows) or rows.x.numel() > START_ENTRIES
        if fill is None or large or self._asks_of_codes or find(module.encoder, Noise):
            return rows
        with torch.no_grad():
            return Batch(fill(rows.x), *rows[1:])

    def _make_decoder(self, encoder):
        """Module from codes to standardized rows, of X or of the target."""
        n_inputs = self._n_told
        sizes = [n_inputs, *self._hidden_layer_sizes()[::-1], self._n_decoded()]
        make = partial(self._decoder_path, sizes, encoder)
        path = self._make_path("decoder", make, sizes, self._n_outputs)
        if self._shortcut() is None:
            return path
        if self.tied_weights:
            return Shortcut(path, TiedLinear(find(encoder, Shortcut).shortcut))
        return Shortcut(path, nn.Linear(n_inputs, self._n_outputs))

    def _encoder_path(self, sizes):
        """The nonlinear net of the encoder, with the numbers of its inputs, layers and outputs.

        Its ``last`` layer has a weight and a bias.
        """
        return MLP(sizes, self.activation, self.dropout)

    def _decoder_path(self, sizes, encoder):
        """That of the decoder."""
        if self.tied_weights:
            return TiedMLP(find(encoder, MLP), self.activation, self.dropout)
        # Where columns have one scale, some may be much smaller than it.
        beside = self._shortcut() is not None and np.ndim(self.target_scale_) == 0
        make = ColumnMLP if beside else MLP
        return make(sizes, self.activation, self.dropout)

    def _n_decoded(self):
        """Numbers that the decoder gives: a row, and after it what else a family has it predict."""
        return self._n_outputs

    def _make_path(self, which, make, sizes, n_linear):
        """The user's module, or ours; silent at the start where a shortcut stands beside it.

        The shortcut gives ``n_linear`` of the numbers.
        """
        given = getattr(self, which)
        if given is not None:
            module = instantiate(which, given, sizes[0], sizes[-1])
            return module if self._shortcut() is None else nn.Sequential(module, Gate())
        if self._shortcut() is None:
            return make()
        if self._is_linear(sizes) and sizes[-1] == n_linear:
            return None  # the shortcut is the linear autoencoder
        path = make()
        if self.tied_weights:  # a zero last layer would silence both halves, and the gradient
            return nn.Sequential(path, Gate())
        nn.init.zeros_(path.last.weight)
        nn.init.zeros_(path.last.bias)
        return path

    def _make_module(self):
        """The whole module."""
        encoder = self._make_encoder(self.code_size_)
        output = self.output_activation
        if output == "auto":
            output = "sigmoid" if self.loss == "binary_cross_entropy" else "identity"
        units = as_units(self.center_, self.scale_, self.device)
        target_units = None
        if self._paired:
            target_units = as_units(self.target_center_, self.target_scale_, self.device)
        decoder = self._make_decoder(encoder)
        if self._target_format.groups:
            softmax = GroupSoftmax(target_units or units, self._target_format.groups)
            decoder = nn.Sequential(decoder, softmax)
        return self._join(encoder, decoder, units, target_units, output)

    def _check_size(self):
        """That a net of large layers fits into memory, with its gradients and their moments.

        Raises
        ------
        ValueError
            If not, naming the parameters that make it large.
        """
        params = {n: v for n, v in self.get_params(deep=False).items() if n not in OF_NO_LAYER}
        check_size(self._make_module, params)

    def _join(self, *parts):
        """The module of an encoder, a decoder, units, target units and an output activation."""
        return self._module_class(*parts)

    def _make_objective(self):
        """What training minimizes."""
        objective = Objective(self.loss)
        groups = self._target_format.groups
        if groups:
            objective = CategoricalObjective(objective, groups, self._n_outputs)
        return objective

    def _start(self, module, rows):
        """The module at its start: at the best linear maps, if it has the shortcuts for them."""
        by_column = None if self._shortcut() is None else find(module.decoder, ColumnMLP)
        if by_column is not None:
            some = start_rows(rows)
            by_column.learn(some.target.flatten(1), some.observed)
        if self._shortcut() == "pca":
            module.start_at(self._linear_maps(rows, self.code_size_).as_tensors())
        return module

    def _linear_maps(self, rows, n_components=None):
        """PCA of standardized rows as scikit-learn gives it; missing entries at their center.

        With a target of another kind it is the reduced-rank regression on the target (Izenman,
        1975), ridge-penalized: PCA of what a linear model predicts, which is PCA where the target
        is X. Tied weights cannot hold it and start at PCA.
        """
        regression = None
        if is_large(rows.x) and (rows.target is rows.x or self.tied_weights):
            pca = self._sparse_pca(rows.x, n_components)
        else:
            rows = start_rows(rows)
            predicted = x = rows.x.flatten(1).double().cpu().numpy()
            if rows.target is not rows.x and not self.tied_weights:
                target = rows.target.flatten(1).double().cpu().numpy()
                regression = RidgeCV(PENALTIES * len(x)).fit(x, target)
                predicted = regression.predict(x)
            if n_components is not None:
                n_components = min(n_components, *predicted.shape)
            with np.errstate(invalid="ignore"):  # 0 / 0 of one row, or of constant columns
                pca = PCA(n_components, random_state=self._seed).fit(predicted)
        axes, center = pca.components_, pca.mean_
        variances, noise = map(np.nan_to_num, (pca.explained_variance_, pca.noise_variance_))
        if regression is None:
            encoder = axes, -axes @ center
        else:
            encoder = axes @ regression.coef_, axes @ (regression.intercept_ - center)
            noise += np.mean((target - predicted) ** 2)
            variances = variances + noise
        return LinearMaps(
            encoder, (axes.T, center), variances, float(noise), pca.explained_variance_ratio_
        )

    def _sparse_pca(self, rows, n_components):
        """PCA of standardized rows that are never dense: the axes of the largest variances."""
        if n_components is None:
            raise ValueError(
                f"code_size={self.code_size} asks for all principal components of X, which is "
                f"sparse and of shape {rows.shape}: give a number of components."
            )
        absent = np.nan_to_num(rows.absent)
        matrix = rows.map(lambda x, columns: np.nan_to_num(x) - absent[columns]).matrix
        n_components = min(n_components, min(matrix.shape) - 1)
        pca = PCA(n_components, svd_solver="arpack", random_state=self._seed)
        pca.fit(matrix.astype(float))
        pca.mean_ += absent
        return pca

    def _code_activation(self):
        return self.code_activation

    def _shortcut(self):
        return self.shortcut

    def _is_linear(self, sizes):
        """Whether a path with these numbers of inputs, layers and outputs would be linear."""
        return len(sizes) == 2

    def _hidden_layer_sizes(self):
        sizes = self.hidden_layer_sizes
        # Some modules of torch take no integers of numpy.
        return [int(n) for n in ([sizes] if isinstance(sizes, Integral) else sizes)]


def largest_of(value):
    """The largest integer of a parameter; 0 if it is none."""
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1):
        return max((int(n) for n in value if isinstance(n, Integral)), default=0)
    return 0


def is_large(x):
    """Whether rows are sparse because they would not fit into memory."""
    return isinstance(x, SparseRows) and x.numel() > START_ENTRIES and min(x.shape) > 1


def start_rows(rows):
    """Rows to learn from, dense, before training starts.

    At most ``START_ENTRIES`` of them; of dense rows two for each column in any case.
    """
    n_rows, n_features = len(rows), math.prod(rows.x.shape[1:])
    n_used = max(1, START_ENTRIES // n_features)
    if not isinstance(rows.x, SparseRows):
        n_used = max(2 * n_features, n_used)
    n_used = min(n_rows, n_used)
    take = slice(None, n_used * (n_rows // n_used), n_rows // n_used)
    return rows.map(lambda tensor: tensor[take]).dense()


def as_units(center, scale, device="auto"):
    """Center and scale as buffers, in the precision in which they were learned."""
    # MPS has no float64
    dtype = torch.float32 if resolve_device(device).type == "mps" else torch.float64
    return Units(*(torch.tensor(t, dtype=dtype) for t in (center, scale)))


def instantiate(name, given, n_inputs, n_outputs):
    """The user's module: a copy of an instance, or what a class or callable makes."""
    is_module = isinstance(given, torch.nn.Module)
    try:
        module = copy.deepcopy(given) if is_module else given(n_inputs, n_outputs)
    except Exception as error:
        raise ValueError(
            f"{name}={given!r} makes no module of {name}({n_inputs}, {n_outputs}), the numbers of "
            f"its inputs and outputs: {error}"
        ) from error
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"{name} must be or make a torch.nn.Module, but made {type(module)}.")
    try:
        with torch.no_grad():
            shape = tuple(module.eval()(torch.zeros(2, n_inputs)).shape)
    except Exception as error:
        raise ValueError(f"{name} cannot take rows of {n_inputs} numbers: {error}") from error
    if shape != (2, n_outputs):
        raise ValueError(
            f"{name} must map 2 rows of {n_inputs} numbers to shape {(2, n_outputs)}, but gave "
            f"{shape}."
        )
    return module.train()
