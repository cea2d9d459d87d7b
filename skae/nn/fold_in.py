"""Users by what a net of items has learned: each is a linear map of the items' codes."""

import torch
from torch import nn

from .autoencoder import Output
from .tracing import is_traced


class FoldIn(nn.Module):
    """``expected + bias + (codes - mean code) w``, of which a user's ratings tell w and bias.

    The last layer of a net of items gives each user of the training a vector w. That of any user,
    of those too, is the ridge regression on his ratings, towards the mean vector, which
    ``expected`` has already.

    Parameters
    ----------
    codes : tensor of shape (n_items, size)
    units : Units
        Their center is what is expected of an item.
    ridge : float
        Variance of the ratings' noise, divided by that of the vectors between users.
    """

    def __init__(self, codes, units, ridge):
        super().__init__()
        self.codes = nn.Parameter(codes - codes.mean(0), requires_grad=False)
        self.units = self.target_units = units
        self.ridge = ridge

    def encode(self, x, bias=None):
        """The vectors of users and their biases, from ratings in the users' units, else NaN."""
        left = x - self.units.of(x)[0]
        if bias is not None:
            left = left - bias
        # A graph does the same to all rows.
        solve = self._solved_at_once if is_traced() else self._solved
        vectors = solve(left)
        return vectors if bias is None else torch.cat([vectors, bias], dim=-1)

    def _solved(self, left):
        """The vectors of users, one after the other, by as many equations as they have ratings."""
        vectors = left.new_zeros(len(left), self.codes.shape[1])
        for vector, ratings in zip(vectors, left, strict=True):
            known = ~ratings.isnan()
            codes = self.codes[known]
            matrix = codes @ codes.T
            matrix.diagonal().add_(self.ridge)
            vector.copy_(codes.T @ torch.linalg.solve(matrix, ratings[known]))
        return vectors

    def _solved_at_once(self, left):
        """The same for all users at once, by as many equations as a vector has numbers."""
        known, left, codes = ~left.isnan(), left.nan_to_num(nan=0.0).double(), self.codes.double()
        matrices = (codes.T * known[:, None]) @ codes
        ridge = self.ridge * torch.eye(codes.shape[1], dtype=torch.float64, device=left.device)
        vectors = torch.linalg.solve_ex(matrices + ridge, (left @ codes)[:, :, None])[0]
        return vectors[:, :, 0].to(self.codes.dtype)

    def decode(self, code):
        size = self.codes.shape[1]
        bias = code[:, size:].sum(1, keepdim=True)  # of one number, or none
        return self.units.of(code)[0] + bias + code[:, :size] @ self.codes.T

    def reconstruct(self, x, *bias):
        return self.decode(self.encode(x, *bias))

    def forward(self, x, *bias):
        """Of standardized rows, as an objective takes them; 0 is not known."""
        code = self.encode(self.units.inverse(x).where(x != 0, torch.nan), *bias)
        return Output(code, self.units(self.decode(code)))
