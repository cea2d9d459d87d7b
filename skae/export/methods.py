"""What the public methods of a fitted autoencoder do, as a torch module over rows of users."""

import copy
from functools import singledispatch

import torch
from torch import nn

from ..base.autoencoder import BaseAutoencoder
from ..engine.net import as_batch, row_errors
from ..engine.objectives import observed_mean
from ..families.masked import MaskedAutoencoder, turn_by_turn
from ..families.ratings import SHRINKAGE, RatingAutoencoder
from ..families.sequence import SequenceAutoencoder
from ..families.variational import N_SAMPLES, VariationalAutoencoder
from ..families.vector_quantized import VectorQuantizedAutoencoder
from ..nn.variational import importance_weighted_bound
from ..rows.images import Images
from ..rows.sequences import Sequences
from ..rows.table import Axes, Ratings, SparseTable, Table

METHODS = (
    "transform",
    "inverse_transform",
    "reconstruct",
    "score_samples",
    "decision_function",
    "predict",
)
OF_CODES = ("inverse_transform",)  # what takes codes; all others take rows
# What rows are given as: their numbers are those of the flat rows inside.
FORMATS = (Table, SparseTable, Ratings, Axes, Images, Sequences)
# What onnxruntime computes in float32 only, on CPUs.
SINGLE = (
    nn.Conv2d,
    nn.ConvTranspose2d,
    nn.ELU,
    nn.GELU,
    nn.GRU,
    nn.LeakyReLU,
    nn.LSTM,
    nn.SELU,
    nn.Softplus,
    nn.Upsample,
)


class Method(nn.Module):
    """One public method of a fitted autoencoder, from a tensor of what users give to its answer.

    ``takes`` and ``dtype`` are the axes of a row of what it is given, and its precision. The net
    computes in that precision, if `SINGLE` allows for it.
    """

    def __init__(self, estimator, method, dtype):
        super().__init__()
        self.estimator, self.method, self.dtype = estimator, method, dtype
        for format in (estimator._format, estimator._target_format):
            self.check_format(format)
        self.module = copy.deepcopy(estimator.net_.module_).cpu().eval().requires_grad_(False)
        self.criterion = estimator.net_.criterion_
        self.precision = precision(self.module, dtype)
        self.module.to(self.precision)
        self.offset = getattr(estimator, "offset_", None)
        if method in OF_CODES:
            self.takes = (estimator._n_features_out,)
        else:
            self.takes = self.shape(estimator._format)

    def forward(self, x):
        answer = getattr(self, self.method)(x)
        return answer if self.method in WHOLE else answer.to(self.dtype)

    # -- the methods ------------------------------------------------------------------------------

    def transform(self, x):
        return self.module.encode(*self.inputs(x))

    def inverse_transform(self, codes):
        return self.shaped(self.module.decode(codes.to(self.precision)))

    def reconstruct(self, x):
        return self.shaped(self.module.reconstruct(*self.inputs(x)))

    def score_samples(self, x):
        x, *beside = self.inputs(x)
        unit = self.criterion.unit(self.estimator.target_scale_) * self.estimator._n_outputs
        errors = row_errors(self.criterion, self.module, x, None, *beside)
        return -unit * errors.double()

    def decision_function(self, x):
        return self.score_samples(x).to(self.dtype).double() - self.offset

    def predict(self, x):
        return torch.where(self.decision_function(x) < 0, -1, 1)

    # -- rows in and out --------------------------------------------------------------------------

    def inputs(self, x):
        """What the module's encoder is given."""
        x = x.flatten(1)
        return x.to(self.precision), *self.beside(x)

    def beside(self, x):
        """What is known of flat rows beside them."""
        if self.estimator._n_conditions:
            raise NotImplementedError(
                f"{self.name} was fitted with a condition, which a graph of rows does not take."
            )
        return ()

    def shaped(self, rows):
        """Flat rows with the axes of those that are rebuilt."""
        return rows.unflatten(1, self.shape(self.estimator._target_format))

    @property
    def name(self):
        """That of the class of the estimator."""
        return type(self.estimator).__name__

    def shape(self, format):
        """The axes of a row."""
        return format.shape or (format.n_numbers,)

    def check_format(self, format):
        """Whether users' rows are the flat rows of the net, but for their axes."""
        if type(format) not in FORMATS:
            raise NotImplementedError(
                f"{self.name} was fitted to {format.name} of the kind {type(format).__name__}, of "
                "which a graph of numbers knows nothing: make numbers of it by steps of a Pipeline "
                "that skl2onnx can export (OneHotEncoder, OrdinalEncoder) and fit to these."
            )

    def check(self):
        """What cannot be exported, before it is tried."""
        if getattr(self.estimator, "precision", "float32") != "float32":
            raise NotImplementedError(
                f"{self.name} has precision={self.estimator.precision!r}, in which onnxruntime has "
                "no convolutions on CPUs: fit with precision='float32'."
            )
        scores = self.method in ("score_samples", "decision_function", "predict")
        if scores and self.estimator._paired:
            raise NotImplementedError(
                f"{self.method} of {self.name} judges rows by a target, which a graph of rows does "
                "not take: it was fitted with one."
            )
        if self.method in ("decision_function", "predict") and self.offset is None:
            raise NotImplementedError(f"{self.name} has no offset_: call fit first.")


WHOLE = {"predict"}  # methods that answer with whole numbers


class VariationalMethod(Method):
    """The bound on the likelihood by the draws of `score_samples`, which all rows share."""

    def score_samples(self, x):
        estimator = self.estimator
        batch = as_batch(self.module, *self.inputs(x))
        noise = estimator._noise(N_SAMPLES, estimator._seed).to(batch.x)
        return importance_weighted_bound(self.module, batch, noise)


class QuantizedMethod(Method):
    """Vectors of the codebook, or their numbers."""

    def __init__(self, estimator, method, dtype):
        super().__init__(estimator, method, dtype)
        self.of_numbers = estimator.output == "indices"

    def forward(self, x):
        whole = self.of_numbers and self.method == "transform"
        return self.transform(x) if whole else super().forward(x)

    def transform(self, x):
        if self.of_numbers:
            return self.module.encode_indices(*self.inputs(x))
        return super().transform(x)

    def inverse_transform(self, codes):
        if self.of_numbers:
            codes = self.module.quantizer.look_up(codes.long())
        return super().inverse_transform(codes)


class MaskedMethod(Method):
    """Patches with a missing entry are not seen."""

    def __init__(self, estimator, method, dtype):
        super().__init__(estimator, method, dtype)
        self.masks = self.module.masks(0)

    def beside(self, x):
        known = self.module.patches.split(~x.isnan()).all(-1)
        return (known,)

    def reconstruct(self, x):
        return self.shaped(turn_by_turn(self.module, *self.inputs(x), self.masks))

    def score_samples(self, x):
        x, known = self.inputs(x)
        batch = as_batch(self.module, x, None, known)
        errors = self.module.hidden_once(batch.x, known, self.masks)[1]
        unit = self.criterion.unit(self.estimator.scale_) if not self.module.normed else 1.0
        return -unit * self.estimator._n_inputs * observed_mean(errors, batch.observed).double()


class SequenceMethod(Method):
    """Rows that end before the last step are NaN after their ends."""

    def check(self):
        super().check()
        if self.varies and self.estimator.bidirectional:
            raise NotImplementedError(
                f"{self.name} was fitted to sequences of several lengths with bidirectional=True, "
                "and a graph cannot start at the end of each: fit with bidirectional=False, or to "
                "sequences of one length."
            )

    @property
    def varies(self):
        """Whether the module is told where rows end."""
        return self.estimator._varies

    def beside(self, x):
        if not self.varies:
            return ()
        steps = self.estimator._format.steps
        observed = (~steps(x).isnan()).any(2)
        numbers = torch.arange(1, steps.n + 1)
        return ((observed * numbers).amax(1, keepdim=True),)

    def reconstruct(self, x):
        x, *lengths = self.inputs(x)
        rows = self.module.reconstruct(x, *lengths)
        if lengths and not self.estimator._paired:
            steps = self.estimator._format.steps
            after = torch.arange(steps.n) >= lengths[0]
            rows = rows.masked_fill(after.repeat_interleave(steps.size, 1), torch.nan)
        return self.shaped(rows)


class RatingMethod(Method):
    """What is missing is not known, and each user has a bias."""

    def beside(self, x):
        if not self.estimator.biases:
            return ()
        known = ~x.isnan()
        expected = torch.as_tensor(self.estimator._expected)
        total = (x.double() - expected).where(known, 0.0).sum(1, keepdim=True)
        bias = total / (SHRINKAGE + known.sum(1, keepdim=True))
        return (bias.to(self.precision),)


@singledispatch
def method_class(estimator):
    """The class of `Method` for the methods of an estimator."""
    raise NotImplementedError(
        f"{type(estimator).__name__} cannot be exported: autoencoders of skae can, and pipelines "
        "that end in one."
    )


for kind, of_kind in {
    BaseAutoencoder: Method,
    VariationalAutoencoder: VariationalMethod,
    VectorQuantizedAutoencoder: QuantizedMethod,
    MaskedAutoencoder: MaskedMethod,
    SequenceAutoencoder: SequenceMethod,
    RatingAutoencoder: RatingMethod,
}.items():
    method_class.register(kind, lambda estimator, of_kind=of_kind: of_kind)


def precision(module, dtype):
    """The precision in which a graph of a module computes."""
    if any(isinstance(part, SINGLE) for part in module.modules()):
        return torch.float32
    return dtype
