"""Autoencoders as scikit-learn estimators."""

from ._autoencoder import Autoencoder
from ._contractive import ContractiveAutoencoder
from ._denoising import DenoisingAutoencoder
from ._k_sparse import KSparseAutoencoder
from ._sparse import SparseAutoencoder
from ._stacked import StackedAutoencoder

__version__ = "0.1.0"
__all__ = [
    "Autoencoder",
    "ContractiveAutoencoder",
    "DenoisingAutoencoder",
    "KSparseAutoencoder",
    "SparseAutoencoder",
    "StackedAutoencoder",
]
