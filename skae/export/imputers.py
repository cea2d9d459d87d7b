"""What an imputer does to rows, as a torch module."""

import numpy as np
import torch

from ..rows.kinds import Number
from .methods import Methods, methods_of


class OfImputer(Methods):
    """``transform`` of an `AutoencoderImputer`: rows with all entries."""

    of_rows, fills = ("transform",), True

    def __init__(self, estimator, methods, dtype):
        super().__init__(estimator, methods, dtype)
        format = estimator._format
        self.takes = (format.n_numbers,)
        inner = estimator.autoencoder_
        self.inner = methods_of(inner)(inner, ("transform",), dtype)
        self.units = None
        if estimator._units is not None:
            self.units = [torch.as_tensor(part, dtype=dtype) for part in estimator._units]
        self.center = torch.as_tensor(np.nan_to_num(estimator._center), dtype=dtype)
        bounds = np.tile([[-np.inf], [np.inf]], (1, format.n_numbers))
        self.whole = torch.zeros(format.n_numbers, dtype=torch.bool)
        for kind, place in zip(format.kinds, format.places, strict=True):
            if isinstance(kind, Number) and kind.whole:
                self.whole[place] = True
                bounds[:, place] = np.reshape(kind.bounds, (2, 1))
        self.lowest, self.highest = torch.as_tensor(bounds, dtype=dtype)

    def check_method(self, method):
        super().check_method(method)
        if self.estimator.sample_posterior or self.estimator.add_indicator:
            raise NotImplementedError(
                f"{self.name} was fitted with sample_posterior=True or add_indicator=True, and a "
                "graph has neither draws nor indicators: fit without."
            )

    def transform(self, x):
        nothing = x.isnan().all(1, keepdim=True)
        fills = torch.where(nothing, self.center, self.rebuilt(x))
        whole = torch.clamp(fills.round(), self.lowest, self.highest)
        return torch.where(x.isnan(), torch.where(self.whole, whole, fills), x)

    def rebuilt(self, x):
        """Rows with all entries, in units of the columns."""
        if self.units is None:
            return self.inner.impute(x)
        center, scale = self.units
        return self.inner.impute((x - center) / scale) * scale + center
