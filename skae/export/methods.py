"""What the public methods of a fitted estimator do, as a torch module over rows of users."""

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
from ..families.variational import N_SAMPLES, N_SAMPLES_TO_FILL, VariationalAutoencoder
from ..families.vector_quantized import VectorQuantizedAutoencoder
from ..nn.autoencoder import EVALUATION_SEED
from ..nn.variational import importance_weighted_bound, importance_weighted_mean
from ..rows.columns import Columns
from ..rows.images import Images
from ..rows.sequences import Sequences
from ..rows.table import Axes, Ratings, SparseTable, Table

JUDGING = ("score_samples", "decision_function", "predict")
METHODS = ("transform", "inverse_transform", "reconstruct", *JUDGING, "predict_proba")
OF_CODES = ("inverse_transform",)  # what takes codes; all others take rows
# What rows are given as: their numbers are those of the flat rows inside, or are made of columns
# by the nodes of `columns.py`.
FORMATS = (Table, SparseTable, Ratings, Axes, Images, Sequences, Columns)


class Methods(nn.Module):
    """Public methods of a fitted estimator, from a tensor of what users give to their answers.

    Attributes
    ----------
    takes : tuple of int
        The axes of a row of what is given.
    given : str
        What is given: the name of the input of a graph.
    dtype : torch.dtype
        The precision of what is given, and of the answers.
    """

    given = "X"
    judging = JUDGING  # those of its methods that judge rows, and share their scores
    of_rows = ("reconstruct", "inverse_transform")  # those that answer with rows as users have them
    fills = False  # whether these are the rows that are given, but where they are missing

    def __init__(self, estimator, methods, dtype):
        super().__init__()
        self.estimator, self.methods, self.dtype = estimator, methods, dtype
        self.dtype_given = dtype
        for method in methods:
            self.check_method(method)

    def forward(self, x):
        scores = self.score_samples(x) if set(self.methods) & set(self.judging) else None
        return tuple(self.answer(method, x, scores) for method in self.methods)

    def answer(self, method, x, scores):
        """That of one method; those that judge rows share their scores."""
        if method not in self.judging:
            return self.in_precision(getattr(self, method)(x))
        if method == "score_samples":
            return self.in_precision(scores)
        offset = torch.tensor(self.estimator.offset_, dtype=torch.float64)
        decision = scores.to(self.dtype).double() - offset
        if method == "decision_function":
            return self.in_precision(decision)
        return torch.where(decision < 0, -1, 1)

    def in_precision(self, answer):
        """An answer in the precision of what was given, if it is no whole numbers."""
        return answer.to(self.dtype) if answer.is_floating_point() else answer

    def finish(self, model):
        """Add to a model of ONNX what torch has nothing for."""

    @property
    def name(self):
        """That of the class of the estimator."""
        return type(self.estimator).__name__

    def check_method(self, method):
        """Whether there is such a method, and a graph can do it."""
        needed = "score_samples" if method in self.judging else method
        if not hasattr(self.estimator, method) or not hasattr(self, needed):
            raise NotImplementedError(f"{self.name} has no method {method}, so no graph has it.")
        by_offset = method in self.judging and method != "score_samples"
        if by_offset and not hasattr(self.estimator, "offset_"):
            raise NotImplementedError(
                f"{method} of {self.name} needs an offset_, which it has not learned: call fit."
            )

    def check_format(self, format):
        """Whether users' rows are the flat rows of the net, but for their axes."""
        if type(format) not in FORMATS:
            raise NotImplementedError(
                f"{self.name} was fitted to {format.name} of the kind {type(format).__name__}, of "
                "which a graph knows nothing: make numbers of it before, and fit to these."
            )


def in_units(errors, unit):
    """Errors times their unit in float64: a number in a graph would be of float32."""
    return errors.double() * torch.tensor(float(unit), dtype=torch.float64)


def shape_of(format):
    """The axes of a row, of a row format."""
    return format.shape or (format.n_numbers,)


class OfAutoencoder(Methods):
    """Those of an autoencoder: what its module does, in the precision of what is given."""

    def __init__(self, estimator, methods, dtype):
        super().__init__(estimator, methods, dtype)
        for format in (estimator._format, estimator._target_format):
            self.check_format(format)
        self.module = copy.deepcopy(estimator.net_.module_).cpu().eval().requires_grad_(False)
        self.module.to(dtype)
        self.criterion = estimator.net_.criterion_
        self.takes = shape_of(estimator._format)
        if methods[0] in OF_CODES:
            self.given, self.takes = "codes", (estimator._n_features_out,)

    # -- the methods ------------------------------------------------------------------------------

    def transform(self, x):
        return self.module.encode(*self.inputs(x))

    def inverse_transform(self, codes):
        return self.shaped(self.module.decode(codes))

    def reconstruct(self, x):
        return self.shaped(self.module.reconstruct(*self.inputs(x)))

    def impute(self, x):
        """Rows with all entries, to fill the missing ones with."""
        return self.reconstruct(x)

    def score_samples(self, x):
        x, *beside = self.inputs(x)
        unit = self.criterion.unit(self.estimator.target_scale_) * self.estimator._n_outputs
        errors = row_errors(self.criterion, self.module, x, None, *beside)
        return in_units(errors, -unit)

    # -- rows in and out --------------------------------------------------------------------------

    def inputs(self, x):
        """What the module's encoder is given."""
        x = x.flatten(1)
        return x, *self.beside(x)

    def beside(self, x):
        """What is known of flat rows beside them."""
        return ()

    def shaped(self, rows):
        """Flat rows with the axes of those that are rebuilt."""
        return rows.unflatten(1, shape_of(self.estimator._target_format))

    def check_method(self, method):
        super().check_method(method)
        if self.estimator._n_conditions:
            raise NotImplementedError(
                f"{self.name} was fitted with a condition, which a graph of rows does not take."
            )
        if method in JUDGING and self.estimator._paired:
            raise NotImplementedError(
                f"{method} of {self.name} judges rows by a target, which a graph of rows does not "
                "take: it was fitted with one."
            )


class OfVariational(OfAutoencoder):
    """The bound on the likelihood by the draws of `score_samples`, which all rows share."""

    def __init__(self, estimator, methods, dtype):
        super().__init__(estimator, methods, dtype)
        self.noise = estimator._noise(N_SAMPLES, estimator._seed).to(dtype)
        self.noise_to_fill = estimator._noise(N_SAMPLES_TO_FILL, estimator._seed).to(dtype)

    def impute(self, x):
        batch = as_batch(self.module, *self.inputs(x))
        return importance_weighted_mean(self.module, batch, self.noise_to_fill)

    def score_samples(self, x):
        batch = as_batch(self.module, *self.inputs(x))
        return importance_weighted_bound(self.module, batch, self.noise)


class OfQuantized(OfAutoencoder):
    """Vectors of the codebook, or their numbers."""

    def __init__(self, estimator, methods, dtype):
        self.of_numbers = estimator.output != "vectors"
        codes_given = self.of_numbers and methods[0] in OF_CODES
        # Numbers have no precision: what they stand for has the codebook's.
        super().__init__(estimator, methods, torch.float32 if codes_given else dtype)
        if codes_given:
            self.dtype_given = torch.int64

    def transform(self, x):
        if self.of_numbers:
            return self.module.encode_indices(*self.inputs(x))
        return super().transform(x)

    def inverse_transform(self, codes):
        if self.of_numbers:
            codes = self.module.quantizer.look_up(codes)
        return super().inverse_transform(codes)


class OfMasked(OfAutoencoder):
    """Patches with a missing entry are not seen."""

    def __init__(self, estimator, methods, dtype):
        super().__init__(estimator, methods, dtype)
        self.masks = self.module.masks(EVALUATION_SEED)

    def beside(self, x):
        return (self.module.patches.split(~x.isnan()).all(-1),)

    def reconstruct(self, x):
        return self.shaped(turn_by_turn(self.module, *self.inputs(x), self.masks))

    def impute(self, x):
        x, known = self.inputs(x)
        return self.shaped(self.module.fill(x, known.to(x.dtype)))

    def score_samples(self, x):
        x, known = self.inputs(x)
        batch = as_batch(self.module, x, None, known)
        errors = self.module.hidden_once(batch.x, known, self.masks)[1]
        unit = self.criterion.unit(self.estimator.scale_) if not self.module.normed else 1.0
        return in_units(observed_mean(errors, batch.observed), -unit * self.estimator._n_inputs)


class OfSequence(OfAutoencoder):
    """Rows that end before the last step are NaN after their ends."""

    def check_method(self, method):
        super().check_method(method)
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


class OfRatings(OfAutoencoder):
    """What is missing is not known, and each user has a bias."""

    def __init__(self, estimator, methods, dtype):
        super().__init__(estimator, methods, dtype)
        self.expected = torch.as_tensor(estimator._expected, dtype=torch.float64)

    def beside(self, x):
        if not self.estimator.biases:
            return ()
        known = ~x.isnan()
        total = (x.double() - self.expected).where(known, 0.0).sum(1, keepdim=True)
        bias = total / (SHRINKAGE + known.sum(1, keepdim=True))
        return (bias.to(self.dtype),)


@singledispatch
def methods_of(estimator):
    """The class of `Methods` for an estimator."""
    raise NotImplementedError(
        f"{type(estimator).__name__} cannot be exported: autoencoders, outlier detectors, "
        "classifiers, regressors and imputers of skae can, and Pipelines that end in one."
    )


for kind, of_kind in {
    BaseAutoencoder: OfAutoencoder,
    VariationalAutoencoder: OfVariational,
    VectorQuantizedAutoencoder: OfQuantized,
    MaskedAutoencoder: OfMasked,
    SequenceAutoencoder: OfSequence,
    RatingAutoencoder: OfRatings,
}.items():
    methods_of.register(kind, lambda estimator, of_kind=of_kind: of_kind)
