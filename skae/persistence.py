"""Fitted estimators in files without code.

A file is a zip of three members: ``header.json`` has the version of the format, the class, and size
and checksum of the others; ``model.json`` the parameters and what was learned;
``arrays.safetensors`` the weights and other arrays. Objects of the classes in `CLASSES` are made of
it, and of a few of scikit-learn's, by their names in these lists; nothing that a file says is
run or imported.
"""

from scipy.sparse import csr_array
from sklearn.base import BaseEstimator

from .around.classifier import AutoencoderClassifier
from .around.column_codec import ColumnCodec
from .around.compressor import AutoencoderCompressor
from .around.fixed_rate import FixedRate
from .around.grids import Grid
from .around.head import TrainedHead
from .around.imputer import AutoencoderImputer
from .around.isolation import Isolation
from .around.neighbors import LocalDistances
from .around.outlier_detector import AutoencoderOutlierDetector
from .around.prediction import Prediction
from .around.regressor import AutoencoderRegressor
from .around.scores import ErrorScores, IsolationNeighborScores, NeighborScores
from .around.series_detector import SeriesOutlierDetector
from .base.saving import OtherVersionWarning, write_file
from .engine.batches import SparseRows
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
from .nn.convolutional import Fold
from .nn.recurrent import Steps
from .rows.columns import Columns
from .rows.condition import Condition
from .rows.histogram import Histogram
from .rows.images import Images
from .rows.kinds import Category, Clock, Day, Moment, Number, Unlearned
from .rows.sequences import Sequences
from .rows.table import Axes, Ratings, SparseTable, Table
from .rows.tokens import Tokens
from .storage import archive
from .storage.codec import Reader

__all__ = ["TRUSTED_TYPES", "GivenError", "OtherVersionWarning", "load", "save"]

ESTIMATORS = (
    Autoencoder,
    AutoencoderCompressor,
    AutoencoderClassifier,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    ContractiveAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    KSparseAutoencoder,
    MaskedAutoencoder,
    MultinomialVariationalAutoencoder,
    RatingAutoencoder,
    SequenceAutoencoder,
    SeriesOutlierDetector,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
    VectorQuantizedAutoencoder,
)
# What estimators consist of, beside arrays and values.
FORMATS = (Axes, Columns, Images, Ratings, Sequences, SparseTable, Table, Tokens)
SCORES = (ErrorScores, Isolation, IsolationNeighborScores, LocalDistances, NeighborScores)
KINDS = (Category, Clock, Day, Moment, Number, Unlearned)
COMPRESSION = (ColumnCodec, FixedRate, Grid, Prediction)
PARTS = (*FORMATS, *KINDS, *SCORES, *COMPRESSION)
PARTS += (Condition, Fold, Histogram, SparseRows, Steps, TrainedHead)
CLASSES = {cls.__name__: cls for cls in (*ESTIMATORS, *PARTS)}

#: What ``skops.io.load(file, trusted=TRUSTED_TYPES)`` is to trust beside scikit-learn: the classes
#: of skae, all of which restore themselves of values and arrays, sparse arrays, and devices.
TRUSTED_TYPES = [
    *(f"{cls.__module__}.{cls.__qualname__}" for cls in CLASSES.values()),
    f"{csr_array.__module__}.{csr_array.__qualname__}",
    "torch.device",
]
# What values of the wrong kind lead to, where objects are made of them.
DAMAGES = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


def save(estimator, path):
    """Write an estimator of skae, or a Pipeline with some, to a file without code.

    Parameters
    ----------
    estimator : estimator
        One of skae, fitted or not, or a Pipeline, ColumnTransformer or FeatureUnion of such and of
        scikit-learn's common scalers, encoders and imputers.
    path : str, path-like or binary file object
        Where to write it; a file that is there is replaced.

    Raises
    ------
    ImportError
        If safetensors is not installed, which comes with ``skae[persistence]``.
    TypeError
        If it is, or holds, something of a class that such files do not know.

    Warns
    -----
    UserWarning
        Which parameters are code (modules, callables, callbacks), are not in the file, and must be
        given to `load`.

    Examples
    --------
    >>> import io
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skae import Autoencoder, load, save
    >>> X = load_wine().data
    >>> pipeline = make_pipeline(StandardScaler(), Autoencoder(2, random_state=0)).fit(X)
    >>> file = io.BytesIO()
    >>> save(pipeline, file)
    >>> bool((load(file).transform(X) == pipeline.transform(X)).all())
    True
    """
    if not isinstance(estimator, BaseEstimator):
        raise TypeError(
            f"estimator is of type {type(estimator).__name__}, but must be an estimator of skae or "
            "a Pipeline of scikit-learn."
        )
    write_file(estimator, path)


def load(path, **given):
    """Read an estimator that `save` has written; nothing in the file is run.

    It answers as the one that was saved did: to the bit on the same machine. It is on the device
    of that one if there is such a device, else on the CPU. `partial_fit`, and `fit` with
    ``warm_start=True``, go on from the weights with an optimizer that starts anew.

    Parameters
    ----------
    path : str, path-like or binary file object
        The file.
    **given
        Parameters that are not in the file, as `save` warned: ``encoder=MyEncoder()``. Where
        several estimators in the file miss one of the same name, the name is as in `set_params`
        (``autoencoder__encoder``), or all are given the same.

    Returns
    -------
    estimator : estimator
        Of the class that was saved.

    Raises
    ------
    ImportError
        If safetensors is not installed, which comes with ``skae[persistence]``.
    ValueError
        If the file is not one of skae's, is of a newer version of the format, is damaged or was
        changed; if a parameter is missing, or given and not missing.

    Examples
    --------
    >>> import io
    >>> from sklearn.datasets import load_wine
    >>> from skae import Autoencoder, load
    >>> X = load_wine().data
    >>> autoencoder = Autoencoder(2, random_state=0).fit(X)
    >>> file = io.BytesIO()
    >>> autoencoder.save(file)
    >>> bool((load(file).transform(X) == autoencoder.transform(X)).all())
    True
    """
    name, model, arrays = archive.read(path)
    try:
        check_given(model["missing"], given)
        reader = Reader(model["objects"], arrays, CLASSES, given)
        estimator = reader.node(model["root"])
    except GivenError:
        raise
    except DAMAGES as error:
        if given:
            raise ValueError(
                f"The file cannot be read with what was given, {sorted(given)}: {error}"
            ) from error
        raise archive.DamagedFile(f"{type(error).__name__}: {error}") from error
    if not isinstance(estimator, BaseEstimator) or type(estimator).__name__ != name:
        raise archive.DamagedFile(f"its header says {name}, which it does not hold")
    return estimator


class GivenError(ValueError):
    """Parameters are missing, or given and not missing."""


def check_given(missing, given):
    """Whether what is given is what the file lacks."""
    names = {name: {name, name.rsplit("__", 1)[-1]} for name in missing}
    lacking = [name for name, spellings in names.items() if not spellings & given.keys()]
    if lacking:
        raise GivenError(
            f"The file does not hold {lacking}, which are code: give them, as in load(path, "
            f"{lacking[0].rsplit('__', 1)[-1]}=...)."
        )
    unknown = sorted(given.keys() - set().union(*names.values()))
    if unknown:
        raise GivenError(
            f"{unknown} cannot be given: the file "
            f"{f'misses only {missing}' if missing else 'has all of its parameters'}."
        )
