"""The stacked autoencoder: layers trained one after another, then together."""

import copy
import math
import warnings
from functools import wraps
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted
from torch import nn

from .._sklearn import StrOptions
from ..base.autoencoder import BaseAutoencoder
from ..base.training import FEWEST_EPOCHS, FROM_SCRATCH
from ..engine.batches import Batch, as_tensor, dense, resampled
from ..engine.devices import resolve_device
from ..engine.net import n_inference_steps
from ..engine.objectives import observed_mean
from ..engine.seeds import draw_seed
from ..nn.autoencoder import OUTPUT_ACTIVATIONS, Units
from ..nn.layers import ACTIVATIONS, Noise
from ..rows.format import Formatted
from .autoencoder import Autoencoder

# What the layers alone decide: on the stack itself these parameters would do nothing.
OF_THE_LAYERS = ("tied_weights", "dropout", "shortcut", "fill", "encoder", "decoder")
# As a share of the rate for a new net: larger steps first undo what the layers have learned.
FINE_TUNING_LR = 0.4
# Of the layers of the default prototype, which fine-tuning goes on from.
LAYER_EPOCHS = 25
# What a stack has learned if its first layer has.
OF_THE_FIRST = (
    "n_features_in_",
    "feature_names_in_",
    "center_",
    "scale_",
    "n_outputs_",
    "target_center_",
    "target_scale_",
    "_format",
    "_target_format",
)


class Up(nn.Module):
    """The upper half of a layer: from the codes of the layer below to its own."""

    def __init__(self, module):
        super().__init__()
        self.module = copy.deepcopy(module)
        self.module.decoder = None

    def forward(self, code):
        return self.module.encode(code)


class Down(nn.Module):
    """The lower half: from its codes to those of the layer below."""

    def __init__(self, module):
        super().__init__()
        self.module = copy.deepcopy(module)
        self.module.encoder = None

    def forward(self, code):
        return self.module.decode(code)


class StackedAutoencoder(BaseAutoencoder):
    r"""Learns a deep autoencoder layer by layer, and then as a whole.

    With :math:`z_0 = x` and :math:`z_i = e_i(z_{i-1})`, layer i is an autoencoder that is trained
    on the codes of the one below (pre-training): it minimizes the mean over rows of

    .. math:: \lVert z_{i-1} - d_i(e_i(z_{i-1})) \rVert^2, \qquad i = 1, \dots, k.

    Then all layers together (fine-tuning) minimize

    .. math:: \lVert x - d_1(\dots d_k(e_k(\dots e_1(x)))) \rVert^2 .

    Fine-tuning goes on from the trained layers. The number of its epochs is chosen on held-out
    rows, and none is one of the candidates.

    Parameters
    ----------
    code_size : int, float or None, default=None
        Numbers in the code of the last layer, as in :class:`Autoencoder`.
    hidden_layer_sizes : tuple of int, default=(256, 128)
        Code sizes of the layers before it, from the first to the last but one.
    layer : estimator, default=None
        Prototype of the layers, an autoencoder of skae: each layer is a clone of it with a
        ``code_size`` of its own, and with the ``device``, ``verbose``, ``checkpoint`` and
        ``random_state`` of the stack. How a layer is built and trained is said there; ``lr``,
        ``max_epochs`` and so on of the stack are those of fine-tuning. None is one affine map up,
        one down:
        ``Autoencoder(hidden_layer_sizes=(), shortcut=None, code_activation=activation,
        early_stopping=False, max_epochs=25)``, with a code that is linear in the last layer.
        Above the first layer an ``output_activation="auto"`` of the prototype is its code's
        activation (if it can be: "relu", "tanh" or "sigmoid"), for it is codes that are rebuilt.
    fine_tune : bool, default=True
        Whether `fit` trains the layers together in the end. `partial_fit` always does.
    activation : {"relu", "tanh", "sigmoid", "identity"}, default="relu"
        Of the codes below the last one, if ``layer`` is None.
    code_activation : str, default="auto"
        Of the last layer's code. "auto" is what the prototype says; the identity if there is none.
    output_activation : str, default="auto"
        Of the reconstruction, in units of X, and so of the first layer. "auto" is what the
        prototype says.
    loss : str, default="squared_error"
        By which rows are rebuilt: of the first layer and of fine-tuning. That of the layers above
        is the prototype's.
    lr : float or "auto", default="auto"
        Largest learning rate of fine-tuning. "auto" is 0.4 of :class:`Autoencoder`'s: larger steps
        first undo what the layers have learned.
    max_epochs : int or "auto", default="auto"
        Passes over X in fine-tuning, at most; 0 is the stack as pre-trained.
    tied_weights, dropout, shortcut, encoder, decoder
        Those of the layers are set in the prototype; here they must be left as they are.
    **other_parameters
        Those of :class:`Autoencoder`, with the same defaults.

    Attributes
    ----------
    layers_ : list of estimators
        The layers as pre-trained. Fine-tuning trains copies of their weights, in ``net_``.
    partial_reconstruction_errors_ : ndarray of shape (n_layers,)
        Entry i is the squared error of a training row, summed over its columns, that goes up
        through the first i + 1 layers and down again: the mean over the rows, before fine-tuning,
        in units of X (or of the target). Not there after `from_layers`.
    n_iter_ : int
        Epochs of fine-tuning.
    loss_curve_, validation_loss_curve_ : list of float
        Of fine-tuning. Those of pre-training are the layers' own, ``layers_[i].loss_curve_``.
    **other_attributes
        Those of :class:`Autoencoder`.

    Raises
    ------
    TypeError
        If ``layer`` is not an autoencoder of skae.
    ValueError
        If a parameter that is the layers' is set for the stack, and as :class:`Autoencoder` does.

    See Also
    --------
    Autoencoder : Trained as a whole from the start, at PCA.
    DenoisingAutoencoder : As the prototype, it gives the stacked denoising autoencoder.

    Notes
    -----
    Each layer is trained for itself on what it is given, so its own error falls. The *partial*
    errors rise from layer to layer if the codes get smaller, as each keeps less of the row than
    the one below; fine-tuning then lowers the last of them.

    Rows are held out from fine-tuning, but not from pre-training, which happens once, on all
    rows. Where layers are much too large for the table, fewer epochs than best may be chosen, and
    ``contamination="auto"`` calls more new rows outliers than a tenth.

    In fine-tuning a denoising layer corrupts nothing (Vincent et al., 2010), a penalty on the
    codes of a layer is left out, and tied weights are no longer tied (Hinton & Salakhutdinov,
    2006). Of a target, only the first layer and fine-tuning know; the layers above rebuild codes.

    References
    ----------
    Hinton & Salakhutdinov: Reducing the dimensionality of data with neural networks. Science 313,
    2006.

    Bengio, Lamblin, Popovici, Larochelle: Greedy layer-wise training of deep networks. NIPS 19,
    2007.

    Vincent, Larochelle, Lajoie, Bengio, Manzagol: Stacked denoising autoencoders: learning useful
    representations in a deep network with a local denoising criterion. JMLR 11, 2010.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import StackedAutoencoder
    >>> X = load_digits().data
    >>> stack = StackedAutoencoder(code_size=8, hidden_layer_sizes=(64, 32), random_state=0).fit(X)
    >>> [layer.code_size_ for layer in stack.layers_]
    [64, 32, 8]
    >>> print(f"{-stack.score(X) / stack.partial_reconstruction_errors_[-1]:.2f}")
    0.46

    Layers that were fitted one by one:

    >>> from skae import Autoencoder
    >>> first = Autoencoder(code_size=32, early_stopping=False, random_state=0).fit(X)
    >>> second = Autoencoder(code_size=8, early_stopping=False, random_state=0)
    >>> second = second.fit(first.transform(X))
    >>> StackedAutoencoder.from_layers([first, second]).transform(X).shape
    (1797, 8)
    """

    code_activation: str = "auto"
    activation: str = "relu"
    shortcut: str | None = None
    layer: Any = None
    fine_tune: bool = True

    _streams = False  # layers are trained on the codes of all rows
    _parameter_constraints = {
        "code_activation": [StrOptions({"auto", *ACTIVATIONS})],
        "activation": [StrOptions(set(OUTPUT_ACTIVATIONS))],
        "layer": "no_validation",
        "fine_tune": ["boolean"],
    }

    @classmethod
    def from_layers(cls, layers, **params):
        """Stack autoencoders that are fitted already; nothing is trained.

        Parameters
        ----------
        layers : list of estimators
            Fitted autoencoders of skae: the first to rows, each other to the codes of the one
            before it. They are copied.
        **params
            Parameters of the stack. The sizes, ``layer``, ``loss`` and the activations of its ends
            follow from the layers, and ``warm_start`` is set to True: `fit` goes on from these
            layers and fine-tunes them, and so does `partial_fit`.

        Returns
        -------
        stack : StackedAutoencoder
            Fitted, but for what is learned of rows: it has no ``offset_`` and no
            ``partial_reconstruction_errors_``, so that `predict` needs a `fit` first.

        Raises
        ------
        TypeError
            If one of them is not an autoencoder of skae.
        sklearn.exceptions.NotFittedError
            If one of them is not fitted.
        ValueError
            If there are none, if their sizes do not fit together, or if one above the first was
            fitted with a target.
        """
        layers = list(layers)
        check_layers(layers)
        first, last = layers[0], layers[-1]
        stack = cls(
            code_size=last.code_size_,
            hidden_layer_sizes=tuple(layer.code_size_ for layer in layers[:-1]),
            code_activation=last.code_activation,
            output_activation=first.output_activation,
            loss=first.loss,
            layer=clone(first),
            warm_start=True,
            **params,
        )
        stack._validate_params()
        stack._check_parameters()
        stack.layers_ = copy.deepcopy(layers)
        known = vars(first)
        vars(stack).update({name: known[name] for name in OF_THE_FIRST if name in known})
        stack.code_size_ = last.code_size_
        stack._seed = draw_seed(stack.random_state)
        stack.device_ = resolve_device(stack.device)
        no_rows = Batch.of(torch.zeros(1, stack._n_inputs, device=stack.device_))
        stack.net_ = stack._make_net(no_rows, n_epochs=1)
        stack._remember_parameters()
        return stack

    @wraps(BaseAutoencoder.decision_function)
    def decision_function(self, X, **given):
        check_is_fitted(
            self,
            "offset_",
            msg="This %(name)s has seen no rows to tell outliers from: call fit(X) first. After "
            "from_layers it goes on from the layers (max_epochs=0 leaves them as they are).",
        )
        return super().decision_function(X, **given)

    def _check_parameters(self):
        super()._check_parameters()
        layer, fields = self.layer, self.__dataclass_fields__
        if layer is not None:
            check_is_autoencoder(layer, "layer")
        for name in OF_THE_LAYERS + ("activation",) * (layer is not None):
            if getattr(self, name) != fields[name].default:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} would do nothing in a StackedAutoencoder, "
                    f"whose layers are copies of a prototype: set it there, as in "
                    f"layer=Autoencoder({name}=...)."
                )
        if layer is not None and layer.loss not in (fields["loss"].default, self.loss):
            raise ValueError(
                f"layer has loss={layer.loss!r}, but loss={self.loss!r}, by which the first layer "
                f"and the whole stack rebuild the rows: set loss={layer.loss!r} for the stack too."
            )

    def _learn_units(self, given):
        super()._learn_units(given)
        self._pretrain(given)

    def _pretrain(self, given):
        """Train each layer on the codes of the one below; the first of all may have a target."""
        rows, target = Formatted(given.X, self._format), given.target
        if target is not None:
            target = Formatted(target, self._target_format)
        counted = slice(None)
        if given.weight is not None:
            counted = resampled(given.weight, len(given.X))
        self.layers_, errors = [], []
        for i, layer in enumerate(self._make_layers()):
            with warnings.catch_warnings():
                if self.fine_tune:  # which goes on where a layer was cut short
                    warnings.simplefilter("ignore", ConvergenceWarning)
                try:
                    layer.fit(rows, target=target, sample_weight=given.weight)
                except Exception as error:
                    error.add_note(f"This was layers_[{i}]; its settings are those of layer=.")
                    raise
            below = given.X if i == 0 else rows
            rows = layer.net_.map_batches(lambda module, x: module.encode(x), below)
            rows, target = rows.astype(np.float32, copy=False), None
            self.layers_.append(layer)
            errors.append(self._partial_error(given.rebuilt[counted], rows[counted]))
        self.partial_reconstruction_errors_ = np.array(errors)

    def _partial_error(self, rebuilt, codes):
        """The mean squared error of rows rebuilt by all layers so far."""
        rebuilt = as_tensor(rebuilt)
        n = n_inference_steps(rebuilt)
        parts = zip(rebuilt.tensor_split(n), np.array_split(codes, n), strict=True)
        totals = [
            mean_squared_error(dense(rows).numpy(), self._down(codes)) * len(codes)
            for rows, codes in parts
        ]
        return sum(totals) / len(rebuilt)

    def _fills(self, X):
        return False  # the first layer does

    def _down(self, rows):
        """Codes of the last layer so far, led back to rows by all layers."""
        for layer in reversed(self.layers_):
            rows = layer.net_.map_batches(lambda module, z: module.decode(z), rows)
        return rows

    def _make_layers(self):
        """Copies of the prototype. The ends of the stack, rows and code, are as it says itself."""
        layer = self.layer
        if layer is None:
            layer = Autoencoder(
                hidden_layer_sizes=(),
                code_activation=self.activation,
                shortcut=None,
                early_stopping=False,
                max_epochs=LAYER_EPOCHS,
            )
        shared = {n: getattr(self, n) for n in ("device", "verbose", "checkpoint")}
        shared["random_state"] = self._seed
        sizes = [*self._hidden_layer_sizes(), self.code_size_]
        layers = [clone(layer).set_params(code_size=size, **shared) for size in sizes]
        below = layer._code_activation()
        for upper in layers[1:]:
            if upper.output_activation == "auto" and below in OUTPUT_ACTIVATIONS:
                upper.output_activation = below  # the decoder mirrors the encoder
        layers[0].loss = self.loss
        if self.output_activation != "auto":
            layers[0].output_activation = self.output_activation
        if self.code_activation != "auto":
            layers[-1].code_activation = self.code_activation
        elif self.layer is None:
            layers[-1].code_activation = "identity"
        return layers

    def _make_encoder(self, n_outputs):
        encoder = nn.Sequential(*(Up(layer.net_.module_) for layer in self.layers_))
        # The stack standardizes the rows itself, as its first layer did.
        encoder[0].module.units = Units(torch.zeros(()), torch.ones(()))
        for module in encoder.modules():
            if isinstance(module, Noise):  # fine-tuning sees the rows as they are
                module.level = 0
        return encoder

    def _make_decoder(self, encoder):
        first, *rest = (layer.net_.module_ for layer in self.layers_)
        return nn.Sequential(*map(Down, reversed(rest)), copy.deepcopy(first.decoder))

    def _make_module(self):
        module = super()._make_module()
        module.output_activation = self.layers_[0].net_.module_.output_activation
        return module

    def _partial_fit(self, given, net=None):
        if net is not None and not net.history:  # from_layers made it for no rows
            net = None
        return super()._partial_fit(given, net)

    def _max_epochs(self, n_rows):
        if not self.fine_tune:
            return 0
        max_epochs = super()._max_epochs(n_rows)
        if self.max_epochs != "auto":
            return max_epochs
        return max(FEWEST_EPOCHS, math.ceil(max_epochs / FROM_SCRATCH))  # the start is trained

    def _lr(self, rows):
        return super()._lr(rows) * (FINE_TUNING_LR if self.lr == "auto" else 1)


def mean_squared_error(X, X_hat):
    """Mean over rows of the squared error summed over columns, as if all were observed."""
    squares = torch.from_numpy((X - X_hat) ** 2)
    return observed_mean(squares, ~squares.isnan()).mean().item() * X.shape[1]


def check_is_autoencoder(layer, name):
    """What can be stacked."""
    if isinstance(layer, BaseAutoencoder):
        return
    found = f"an instance of {type(layer).__name__}"
    if isinstance(layer, type):
        found = f"the class {layer.__name__}"
    raise TypeError(
        f"{name} is {found}. A stack is made of autoencoders of skae, whose encoders and decoders "
        "it joins: give an instance of one, such as Autoencoder()."
    )


def check_layers(layers):
    """Whether fitted estimators fit together."""
    if len(layers) == 0:
        raise ValueError("from_layers needs one fitted autoencoder or more, but got an empty list.")
    for i, layer in enumerate(layers):
        name = f"layers[{i}]"
        check_is_autoencoder(layer, name)
        fit = f"fit it on codes, layers[{i - 1}].transform(...)" if i else "fit it"
        if not hasattr(layer, "net_"):
            raise NotFittedError(f"{name}, {type(layer).__name__}, is not fitted: {fit} first.")
        if i and layer._paired:
            raise ValueError(
                f"{name} was fitted with a target, so it does not lead back to the codes of the "
                "layer below: only the first layer may have a target."
            )
        if i and layer._n_inputs != layers[i - 1].code_size_:
            raise ValueError(
                f"{name} was fitted to rows of {layer._n_inputs} numbers, but the codes of "
                f"layers[{i - 1}] have {layers[i - 1].code_size_}: {fit}."
            )
