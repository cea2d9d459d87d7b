"""How the net of a fitted autoencoder is handed over to be trained on, and taken back."""

import copy
from typing import NamedTuple

from torch import nn

from ..engine.batches import Batch
from ..engine.net import AutoencoderNet
from .training import losses_of


class Handed(NamedTuple):
    """What training goes on with."""

    rows: Batch  # standardized, on the device
    module: nn.Module
    objective: nn.Module


def handed_over(autoencoder, X):
    """The rows of X and copies of the module and the objective of a fitted autoencoder.

    The autoencoder is left as it was.
    """
    given = autoencoder._check_given(X)
    autoencoder._check_support(given, training=True)
    net = autoencoder.net_
    rows = autoencoder._as_rows(given)
    return Handed(rows, copy.deepcopy(net.module_), copy.deepcopy(net.criterion_))


def taken_back(autoencoder, module, X):
    """A copy of a fitted autoencoder whose net is this module; codes and threshold are of X."""
    given = autoencoder._check_given(X)
    other = type(autoencoder).__new__(type(autoencoder))
    vars(other).update(vars(autoencoder))
    other.net_ = AutoencoderNet.trained(
        module, autoencoder.net_.criterion_, autoencoder.device_, losses_of(autoencoder.net_)
    )
    other._keep_codes(given)
    other._learn_offset(given)
    return other
