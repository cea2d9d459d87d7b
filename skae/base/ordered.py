"""Codes in order: what training minimizes, how many numbers are kept, and what they explain."""

import math

import numpy as np
import torch
from torch import nn

from .._sklearn import StrOptions
from ..engine.net import AutoencoderNet
from ..engine.objectives import Extended, Objective, observed_mean
from ..engine.seeds import Redirected
from ..nn.autoencoder import find
from ..nn.ordered import Fading, Prefix
from ..nn.randomness import Draws, drawing
from .parameters import Parameters
from .scores import ENOUGH_ROWS
from .training import losses_of

LARGEST_AUTO = 64  # numbers of a code to choose from
TOLERANCE = 0.01  # of the variance: what a code that is nearly as good may leave unexplained
TIMES_AS_LONG = 4  # as one code size


class PrefixObjective(Extended):
    """``mean over rows of w_k error_k + penalty``, of rows rebuilt of the first k numbers.

    ``w_k`` is the error so far of rows with as many, to the power of minus the share of training
    that is done: at the end all lengths count alike. Held-out rows are judged by the mean over the
    lengths 2, 4, 8, ... of their error as a share of that at the start and a hundredth.
    """

    def forward(self, output, batch, module):
        if not module.training:
            return batch.mean(self.error(output, batch, module))
        errors = self.objective.error(output, batch, module)
        prefix = find(module.decoder, Prefix)
        loss = batch.mean(errors * prefix.weights(errors, module.progress))
        penalty = self.penalty(output, batch, module)
        return loss if penalty is None else loss + penalty

    @torch.no_grad()
    def error(self, output, batch, module):
        prefix = find(module.decoder, Prefix)
        lengths = lengths_to_judge(prefix.code_size)
        errors = errors_of_lengths(self.objective, module, output.code, batch, lengths)
        firsts = (prefix.first[k - 1] + TOLERANCE for k in lengths)
        return sum(error / first for error, first in zip(errors, firsts, strict=True)) / len(
            lengths
        )

    def row_error(self, output, batch, module):
        return self.objective.row_error(output, batch, module)


def lengths_to_judge(code_size):
    """2, 4, 8, ... and the whole code."""
    return [*(2**i for i in range(1, math.ceil(math.log2(code_size)))), code_size]


def errors_of_lengths(objective, module, code, batch, lengths):
    """The errors of rows that are rebuilt of so many first numbers of their codes, in turn."""
    for k in lengths:
        yield objective.error(module.of_code(code[..., :k]), batch, module)


@torch.no_grad()
def errors_by_length(objective, module, rows):
    """The mean error of rows rebuilt of the first 1, 2, ... numbers of their codes."""
    module.eval()
    code = module(*rows.inputs).code
    lengths = range(1, code.shape[-1] + 1)
    return torch.stack(
        [rows.mean(e) for e in errors_of_lengths(objective, module, code, rows, lengths)]
    )


def explained_by_length(module, rows):
    """R2 of rows rebuilt of the first 1, 2, ... numbers of their codes; 0 if rows do not differ."""
    total = rows.mean(observed_mean(rows.target.square(), rows.observed))
    explained = total - errors_by_length(Objective(), module, rows)
    return torch.where(total > 0, explained / total, 0.0).double().cpu().numpy()


class OrderedMixin(Parameters):
    """The parameter ``ordered``, and ``code_size="auto"``."""

    ordered: bool = False

    _parameter_constraints = {
        "code_size": [*Parameters._parameter_constraints["code_size"], StrOptions({"auto"})],
        "ordered": ["boolean"],
    }

    @property
    def _n_told(self):
        return (2 if self.ordered else 1) * super()._n_told

    def _check_parameters(self):
        super()._check_parameters()
        if self.code_size == "auto" and not self.ordered:
            raise ValueError(
                "code_size='auto' is the smallest number of first numbers of an ordered code that "
                "rebuild X nearly as well as more: set ordered=True."
            )
        if self.ordered and self.tied_weights:
            raise ValueError(
                "ordered=True tells the decoder how much of a code it is given, which the "
                "transposed encoder has no weights for: set tied_weights=False."
            )
        if self.code_size == "auto" and not (self.encoder is None and self.decoder is None):
            raise ValueError(
                "code_size='auto' makes the built-in nets shorter, and cannot do so with an "
                "encoder= or decoder= of your own: give a number."
            )

    def _default_code_size(self, n_features):
        if self.code_size == "auto":
            return min(LARGEST_AUTO, math.ceil(n_features / 2))
        return super()._default_code_size(n_features)

    def _make_decoder(self, encoder):
        decoder = super()._make_decoder(encoder)
        return nn.Sequential(Prefix(self.code_size_), decoder) if self.ordered else decoder

    def _make_path(self, which, *how):
        path = super()._make_path(which, *how)
        if which == "encoder" or path is None or self._shortcut() is None or not self.ordered:
            return path
        return Fading(path, self.code_size_)

    def _make_objective(self):
        objective = super()._make_objective()
        return PrefixObjective(objective) if self.ordered else objective

    def _linear_maps(self, rows, n_components=None):
        maps = super()._linear_maps(rows, n_components)
        if not self.ordered:
            return maps
        weight, bias = maps.decoder
        spread = np.zeros((len(weight), 2 * weight.shape[1]))
        spread[:, ::2] = weight  # a mark stands beside each number
        return maps._replace(decoder=(spread, bias))

    def _start(self, module, rows):
        module = super()._start(module, rows)
        if self.ordered:
            some = rows.thinned(ENOUGH_ROWS).dense().map(torch.Tensor.cpu)
            errors = errors_by_length(super()._make_objective(), module, some)
            for part in module.decoder.modules():
                if isinstance(part, Prefix | Fading):
                    part.learn(errors)
        return module

    @property
    def _shortcut_lr(self):
        # No code is the best at all lengths that PCA's axes are the best at.
        return 1.0 if self.ordered else super()._shortcut_lr

    def _n_epochs(self, n_rows, n_steps):
        n_epochs = super()._n_epochs(n_rows, n_steps)
        return TIMES_AS_LONG * n_epochs if self.ordered else n_epochs

    def _partial_fit(self, given, net=None):
        if self.code_size == "auto":
            raise ValueError(
                "code_size='auto' is chosen when training has ended, which it never has for "
                "partial_fit: give a number."
            )
        return super()._partial_fit(given, net)

    def _choose_epochs(self, given, *settings):
        choice = super()._choose_epochs(given, *settings)
        if self.code_size != "auto":
            return choice
        splits = self._splits(len(given.X))
        explained = [
            explained_by_length(net.module_, self._some_rows_of(given.take(index)))
            for net, (_, index) in zip(choice.nets, splits, strict=True)
        ]
        self._n_kept = enough(np.mean(explained, axis=0))
        nets = [self._shortened(net, self._n_kept) for net in choice.nets]
        return choice._replace(scores=self._held_out_scores(given, nets, splits))

    def _keep(self, given, net, n_iter, held_out_scores=None):
        if self.ordered:
            explained = explained_by_length(net.module_, self._some_rows_of(given))
            if self.code_size == "auto":
                size = vars(self).pop("_n_kept", None) or enough(explained)
                net, self.code_size_ = self._shortened(net, size), size
            self.explained_variance_ratio_ = np.diff(explained[: self.code_size_], prepend=0.0)
        super()._keep(given, net, n_iter, held_out_scores)

    def _some_rows_of(self, given):
        """Enough rows for a mean."""
        return self._as_rows(given.by_weight().thinned(ENOUGH_ROWS)).dense()

    def _shortened(self, net, size):
        """The net of the first numbers of the code: of each weight it has a corner."""
        trained, self.code_size_ = self.code_size_, size
        with drawing(Draws(self._seed)), Redirected():
            module = self._make_module()
        self.code_size_ = trained
        weights = net.module_.state_dict()
        corners = {
            name: weights[name][tuple(map(slice, weight.shape))]
            for name, weight in module.state_dict().items()
        }
        module.load_state_dict(corners)
        objective = self._make_objective()
        return AutoencoderNet.trained(module, objective, net.device, losses_of(net))


def enough(explained):
    """How many numbers explain nearly as much as any more do."""
    return 1 + int(np.argmax(explained >= explained.max() - TOLERANCE))
