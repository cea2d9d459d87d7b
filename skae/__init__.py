"""Autoencoders as scikit-learn estimators."""

from ._autoencoder import Autoencoder
from ._denoising import DenoisingAutoencoder
from ._k_sparse import KSparseAutoencoder
from ._sparse import SparseAutoencoder

__version__ = "0.1.0"
__all__ = [
    "Autoencoder",
    "DenoisingAutoencoder",
    "KSparseAutoencoder",
    "SparseAutoencoder",
]
