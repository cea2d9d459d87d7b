"""The Frobenius norm of an encoder's Jacobian, row by row."""

from contextlib import contextmanager

import torch
from torch import nn

from .layers import ACTIVATIONS, Noise, Shortcut, TiedLinear
from .randomness import generator as random_numbers
from .shares import drawn_for_all

# Layers that are the identity outside training.
SILENT = nn.Identity, nn.Dropout, Noise
# Directions that are pulled back at once: it takes as many times the memory of one.
CHUNK_SIZE = 4


def squared_jacobian_norm(encoder, x, n_projections=None, generator=None, weights=1.0):
    """``||J diag(weights)||_F^2`` of each row, J being the encoder's Jacobian there: (n,).

    The encoder is taken as it is in evaluation, without noise and dropout. A single layer
    ``a(W x + b)`` has the closed form ``sum_j a'(u_j)^2 ||w_j||^2``, with ``u = W x + b``. For any
    other it is the sum of ``||J^T v||^2``, v running through a basis of the code space or, if
    ``n_projections`` is smaller than the code, through so many random directions: an unbiased
    estimate.

    It can be differentiated with respect to the encoder's parameters, and works where autograd is
    off, under `torch.no_grad` and `torch.inference_mode`.
    """
    if torch.is_inference_mode_enabled():
        # Before torch 2.12, functional transforms in it give zeros, and say nothing.
        with torch.inference_mode(False), torch.no_grad():
            return squared_jacobian_norm(encoder, x.clone(), n_projections, generator)
    with evaluating(encoder):
        match layers_of(encoder):
            case [nn.Linear() | TiedLinear() as linear, *rest] if all(map(is_elementwise, rest)):
                return one_layer_norm(linear, nn.Sequential(*rest), x, weights)
        return pulled_back_norm(encoder, x, n_projections, generator, weights)


def one_layer_norm(linear, activation, x, weights=1.0):
    """The closed form of ``activation(linear(x))``."""
    u = linear(x)
    (slope,) = torch.func.vjp(activation, u)[1](torch.ones_like(u))
    return slope.square() @ (linear.weight * weights).square().sum(1)


def pulled_back_norm(encoder, x, n_projections=None, generator=None, weights=1.0):
    """The sum of ``||J^T v||^2`` over `directions` v."""
    code, pull_back = torch.func.vjp(encoder, x)

    def squared_norm(direction):
        return (pull_back(direction)[0] * weights).flatten(1).square().sum(1)

    along = directions(code, n_projections, generator)
    if len(along) == 1:  # vmap would cost as much again as a small step
        return squared_norm(along[0])
    return torch.func.vmap(squared_norm, chunk_size=CHUNK_SIZE)(along).sum(0)


def directions(code, n_projections=None, generator=None):
    """Directions v with ``E[sum v v^T] = 1``, for each row: (number, n, code size).

    Each number of the code falls into one of ``n_projections`` groups and gets a random sign; a
    direction is one group, and zero elsewhere. ``sum ||J^T v||^2`` is then off by the products
    ``(J J^T)_ij`` within a group only. Directions without the groups (Hutchinson, 1990) have those
    of all pairs, and so more noise; groups of one have none: they are the basis, and exact.
    """
    n, size = code.shape
    generator = generator or random_numbers(code.device)
    of = {"dtype": code.dtype, "device": code.device}
    if n_projections is None or n_projections >= size:
        return torch.eye(size, **of)[:, None].expand(-1, n, -1)
    signs = drawn_for_all(
        lambda shape: torch.randint(2, shape, generator=generator, **of) * 2 - 1, code.shape
    )
    group = torch.randperm(size, generator=generator, device=code.device) % n_projections
    return signs * (group == torch.arange(n_projections, device=code.device)[:, None, None])


def layers_of(module):
    """The layers, in their order, that nested `nn.Sequential` consist of in evaluation."""
    if type(module).forward is nn.Sequential.forward:
        return [layer for part in module for layer in layers_of(part)]
    if isinstance(module, Shortcut) and module.path is None:
        return layers_of(module.shortcut)
    return [] if isinstance(module, SILENT) else [module]


def is_elementwise(layer):
    """Whether a layer takes each number by itself."""
    return isinstance(layer, tuple(ACTIVATIONS.values()))


@contextmanager
def evaluating(module):
    """The module in evaluation; afterwards as it was."""
    training = module.training
    if training:
        module.eval()
    try:
        yield
    finally:
        if training:
            module.train()
