"""The way back through a Pipeline, as a torch module: skl2onnx knows only the way in."""

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from .columns import mixed
from .methods import Methods, methods_of

# Whose way back is a linear map and a constant.
LINEAR = (StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, PCA)


class OfPipeline(Methods):
    """``inverse_transform`` of a Pipeline of linear steps that ends in an autoencoder."""

    def __init__(self, estimator, methods, dtype):
        super().__init__(estimator, methods, dtype)
        *steps, last = (step for _, step in estimator.steps if step not in (None, "passthrough"))
        if mixed(last):
            raise NotImplementedError(
                f"{type(last).__name__} was fitted to columns of several kinds, each of which is "
                "an output of its graph, so that no step can go back from there: export it alone."
            )
        self.last = methods_of(last)(last, methods, dtype)
        self.given, self.takes, self.dtype_given = "codes", self.last.takes, self.last.dtype_given
        self.back = [linear_map(step) for step in reversed(steps)]

    def inverse_transform(self, codes):
        rows = self.last.inverse_transform(codes).double()
        for matrix, constant in self.back:
            rows = rows @ matrix + constant
        return rows


def linear_map(step):
    """The way back of a step: its matrix and its constant, in float64."""
    if type(step) not in LINEAR:
        raise NotImplementedError(
            f"inverse_transform of a Pipeline goes back through {type(step).__name__}, which is "
            f"none of {[kind.__name__ for kind in LINEAR]}: export the last step alone."
        )
    n = len(step.components_) if isinstance(step, PCA) else step.n_features_in_
    constant = step.inverse_transform(np.zeros((1, n)))
    matrix = step.inverse_transform(np.eye(n)) - constant
    return torch.from_numpy(matrix), torch.from_numpy(constant)
