"""A trained head, in numpy: what predictions take beside the autoencoder."""

import numpy as np
from scipy.special import expit


class TrainedHead:
    """``linear(features)``, and a perceptron beside it; features are standardized first.

    Parameters
    ----------
    center, scale : ndarray of shape (n_features,)
    linear : tuple of ndarray
        Weight, of shape (n_outputs, n_features), and bias.
    layers : list of such tuples
        Of the perceptron, with SiLU between them; none if there is none.
    """

    def __init__(self, center, scale, linear, layers=()):
        self.center = center
        self.scale = scale
        self.linear = linear
        self.layers = list(layers)

    @classmethod
    def of(cls, head):
        """That of a `Head`."""
        arrays = [t.detach().cpu().numpy() for t in (head.center, head.scale)]
        linear, *layers = (
            (layer.weight.detach().cpu().numpy().copy(), layer.bias.detach().cpu().numpy().copy())
            for layer in (head.linear, *head.layers)
        )
        return cls(*(array.copy() for array in arrays), linear, layers)

    def __call__(self, features):
        """The outputs for rows of features, in their precision."""
        dtype = features.dtype
        hidden = (features - self.center.astype(dtype)) / self.scale.astype(dtype)
        outputs = affine(hidden, self.linear)
        for i, layer in enumerate(self.layers):
            hidden = affine(silu(hidden) if i else hidden, layer)
        return outputs + hidden if self.layers else outputs


def silu(x):
    """``x`` times its sigmoid."""
    return x * expit(x)


def affine(x, layer):
    """``W x + b`` row by row, in the precision of x."""
    weight, bias = layer
    return x @ weight.T.astype(x.dtype) + bias.astype(x.dtype)


def softmax(outputs):
    """Probabilities of logits."""
    outputs = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return outputs / outputs.sum(axis=1, keepdims=True)
