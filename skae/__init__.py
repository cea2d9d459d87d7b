"""Autoencoders as scikit-learn estimators."""

from ._version import __version__ as __version__
from .around.classifier import AutoencoderClassifier
from .around.compressor import AutoencoderCompressor
from .around.imputer import AutoencoderImputer
from .around.outlier_detector import AutoencoderOutlierDetector
from .around.regressor import AutoencoderRegressor
from .around.series_detector import SeriesOutlierDetector
from .families.autoencoder import Autoencoder
from .families.contractive import ContractiveAutoencoder
from .families.convolutional import ConvolutionalAutoencoder
from .families.denoising import DenoisingAutoencoder
from .families.k_sparse import KSparseAutoencoder
from .families.masked import MaskedAutoencoder
from .families.multinomial import MultinomialVariationalAutoencoder
from .families.ratings import RatingAutoencoder
from .families.sequence import SequenceAutoencoder
from .families.sparse import SparseAutoencoder
from .families.stacked import StackedAutoencoder
from .families.variational import VariationalAutoencoder
from .families.vector_quantized import VectorQuantizedAutoencoder
from .persistence import load, save

__all__ = [
    "Autoencoder",
    "AutoencoderClassifier",
    "AutoencoderCompressor",
    "AutoencoderOutlierDetector",
    "AutoencoderImputer",
    "AutoencoderRegressor",
    "ContractiveAutoencoder",
    "ConvolutionalAutoencoder",
    "DenoisingAutoencoder",
    "KSparseAutoencoder",
    "MaskedAutoencoder",
    "MultinomialVariationalAutoencoder",
    "RatingAutoencoder",
    "SequenceAutoencoder",
    "SeriesOutlierDetector",
    "SparseAutoencoder",
    "StackedAutoencoder",
    "VariationalAutoencoder",
    "VectorQuantizedAutoencoder",
    "load",
    "save",
]
