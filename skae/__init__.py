"""Autoencoders as scikit-learn estimators."""

from ._autoencoder import Autoencoder
from ._contractive import ContractiveAutoencoder
from ._convolutional import ConvolutionalAutoencoder
from ._denoising import DenoisingAutoencoder
from ._imputer import AutoencoderImputer
from ._k_sparse import KSparseAutoencoder
from ._masked import MaskedAutoencoder
from ._multinomial import MultinomialVariationalAutoencoder
from ._outlier_detector import AutoencoderOutlierDetector
from ._ratings import RatingAutoencoder
from ._sequence import SequenceAutoencoder
from ._sparse import SparseAutoencoder
from ._stacked import StackedAutoencoder
from ._variational import VariationalAutoencoder
from ._vector_quantized import VectorQuantizedAutoencoder

__version__ = "0.1.0"
__all__ = [
    "Autoencoder",
    "AutoencoderOutlierDetector",
    "AutoencoderImputer",
    "ContractiveAutoencoder",
    "ConvolutionalAutoencoder",
    "DenoisingAutoencoder",
    "KSparseAutoencoder",
    "MaskedAutoencoder",
    "MultinomialVariationalAutoencoder",
    "RatingAutoencoder",
    "SequenceAutoencoder",
    "SparseAutoencoder",
    "StackedAutoencoder",
    "VariationalAutoencoder",
    "VectorQuantizedAutoencoder",
]
