"""Columns that are left to the best linear map of the codes.

Adam moves all weights by the same step, and the loss adds up all columns: what a net says of a
column that varies little beside others may be worse than any linear map. Held-out rows tell.
"""

import torch

from ..nn.autoencoder import find
from ..nn.layers import Noise, Shortcut
from ..nn.mlp import ColumnMLP
from .batches import SparseRows
from .objectives import Objective

MOST_ROWS = 20_000  # that a map is learned of
MOST_WORK = 1e10  # multiplications, where columns have gaps of their own
RIDGE = 1e-9  # of the codes' mean square


def leave_columns(nets, kept, held):
    """Leave columns to linear maps of the codes where held-out rows gain by it.

    The nets are one for each pair of rows trained on and held out. Returns the columns, which are
    the same for all nets; None if there are none.
    """
    if not all(map(can_leave, nets, kept)):
        return None
    maps = [linear_map(net.module_, rows) for net, rows in zip(nets, kept, strict=True)]
    columns = columns_to_leave(nets, maps, held)
    if not columns.any():
        return None
    for net, of_codes in zip(nets, maps, strict=True):
        leave(net.module_, columns, of_codes)
    return columns


def columns_to_leave(nets, maps, held):
    """Which columns of held-out rows linear maps of the codes rebuild better than the nets.

    By more than two standard errors of the difference, times the size of the column: the less it
    counts in the loss, the less has the net been asked for it.
    """
    gains = []
    for net, (weight, bias), new in zip(nets, maps, held, strict=True):
        codes, rebuilt = through(net.module_, new)
        gains.append(errors(rebuilt, new) - errors(codes @ weight.T + bias, new))
    gains = torch.cat(gains)
    sizes = torch.cat([exact(part.target) for part in held]).square().mean(0).sqrt().clamp(max=1.0)
    return gains.mean(0) > 2 * sizes * gains.std(0) / len(gains) ** 0.5


@torch.no_grad()
def leave(module, columns, of_codes):
    """Let the shortcut of the decoder rebuild these columns alone, by a linear map of the codes."""
    weight, bias = of_codes
    shortcut = find(module.decoder, Shortcut)
    linear = shortcut.shortcut
    columns = columns.to(linear.weight.device)
    shortcut.path.factors[columns] = 0.0
    linear.weight[columns] = weight.to(linear.weight)[columns]
    linear.bias[columns] = bias.to(linear.bias)[columns]


def can_leave(net, rows):
    """Whether nothing but squared errors counts, and the columns of the net's path can be silenced.

    A net that learns to remove noise is not judged by what it makes of rows as they are.
    """
    module, objective = net.module_, net.criterion_
    if type(objective) is not Objective or objective.loss != "squared_error":
        return False
    shortcut = find(module.decoder, Shortcut)
    if shortcut is not module.decoder or type(shortcut.path) is not ColumnMLP:
        return False
    if module.output_activation != "identity" or find(module.encoder, Noise) is not None:
        return False
    if rows.condition is not None or isinstance(rows.x, SparseRows):
        return False
    n_codes, n_columns = shortcut.shortcut.in_features, rows.target.shape[1]
    return rows.observed is None or n_columns * n_codes**2 * min(len(rows), MOST_ROWS) < MOST_WORK


@torch.no_grad()
def through(module, rows):
    """Codes of rows, and what the module makes of them."""
    module.eval()
    output = module(rows.x)
    return exact(output.code), exact(output.reconstruction)


def exact(tensor):
    """In double precision, which not all devices have."""
    return tensor.cpu().double()


@torch.no_grad()
def linear_map(module, rows):
    """Weights and biases of the least squares from the codes of rows to their columns."""
    rows = rows.thinned(MOST_ROWS)
    codes = through(module, rows)[0]
    codes = torch.cat([codes, codes.new_ones(len(codes), 1)], dim=1)
    weight = codes.new_ones(len(codes), 1) if rows.weight is None else exact(rows.weight)[:, None]
    target = exact(rows.target)
    ridge = RIDGE * codes.square().mean() * len(codes) * torch.eye(codes.shape[1]).to(codes)
    if rows.observed is None:
        weighed = (weight * codes).T
        maps = torch.linalg.solve(weighed @ codes + ridge, weighed @ target).T
    else:
        known = exact(rows.observed) * weight
        grams = torch.einsum("nd,nj,nk->djk", known, codes, codes)
        moments = torch.einsum("nd,nj->dj", known * target, codes)
        maps = torch.linalg.solve(grams + ridge, moments)
    return maps[:, :-1], maps[:, -1]


def errors(rebuilt, rows):
    """The squared errors of entries that are known, by the weights of rows."""
    values = (rebuilt - exact(rows.target)).square()
    if rows.observed is not None:
        values = values * exact(rows.observed)
    return values if rows.weight is None else values * exact(rows.weight)[:, None]
