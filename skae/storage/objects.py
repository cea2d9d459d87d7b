"""Objects of skae's classes and of a few of scikit-learn's: a class name and attributes."""

from importlib import import_module

from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import MetadataRequest
from torch import nn

from .kinds import CannotBeWritten, Kind
from .mixtures import MIXTURES, complete, without_derived

OWN = __package__.split(".")[0]
# Those of scikit-learn whose attributes are values and arrays, by the module that has them.
OF_SCIKIT_LEARN = {
    "sklearn.compose": ("ColumnTransformer", "TransformedTargetRegressor", "make_column_selector"),
    "sklearn.decomposition": ("PCA", "TruncatedSVD"),
    "sklearn.feature_selection": ("VarianceThreshold",),
    "sklearn.frozen": ("FrozenEstimator",),
    "sklearn.impute": ("KNNImputer", "MissingIndicator", "SimpleImputer"),
    "sklearn.linear_model": ("LinearRegression", "LogisticRegression", "Ridge", "RidgeClassifier"),
    "sklearn.mixture": ("BayesianGaussianMixture", "GaussianMixture"),
    "sklearn.pipeline": ("FeatureUnion", "Pipeline"),
    "sklearn.preprocessing": (
        "Binarizer",
        "FunctionTransformer",
        "KBinsDiscretizer",
        "LabelBinarizer",
        "LabelEncoder",
        "MaxAbsScaler",
        "MinMaxScaler",
        "Normalizer",
        "OneHotEncoder",
        "OrdinalEncoder",
        "PolynomialFeatures",
        "PowerTransformer",
        "QuantileTransformer",
        "RobustScaler",
        "StandardScaler",
    ),
}
FOREIGN = {name: module for module, names in OF_SCIKIT_LEARN.items() for name in names}
REQUESTS = "_metadata_request"


def foreign_class(name):
    """The class of scikit-learn of this name."""
    return getattr(import_module(FOREIGN[name]), name)


def is_foreign(cls):
    return cls.__module__.startswith("sklearn.") and FOREIGN.get(cls.__name__) is not None


def is_own(cls):
    return cls.__module__.split(".")[0] == OWN and not issubclass(cls, nn.Module)


def takes(value):
    """A row of ours (a named tuple) is an object too; other tuples are not."""
    return not isinstance(value, type) and (is_own(type(value)) or is_foreign(type(value)))


def write(value, writer, path):
    return {"v": writer.object(value, path)}


def described(value, writer, path):
    """The class and the attributes of an object."""
    cls = type(value)
    name = cls.__name__ if is_own(cls) else f"sklearn:{cls.__name__}"
    if hasattr(value, "_fields"):
        return {"class": name, "fields": [writer.node(x, (*path, i)) for i, x in enumerate(value)]}
    # Those of the class: a FrozenEstimator asks what it holds.
    own_way = getattr(cls, "_state_for_file", cls.__getstate__)
    state, nodes = own_way(value) or {}, {}
    if isinstance(value, MIXTURES):
        state = without_derived(state)
    for key, part in state.items():
        mark = writer.mark()
        try:
            nodes[key] = writer.node(part, (*path, key))
        except CannotBeWritten:
            if not may_be_missing(value, key, part):
                raise
            writer.roll_back(mark)
            nodes[key] = writer.miss((*path, key))
    return {"class": name, "state": nodes}


def may_be_missing(owner, key, part):
    """Whether it is a parameter that `load` can be given: any of ours, a function of others."""
    if not isinstance(owner, BaseEstimator) or key not in owner.get_params(deep=False):
        return False
    return is_own(type(owner)) or (callable(part) and not isinstance(part, BaseEstimator))


def restored(description, reader):
    """The object of a description."""
    name = description["class"]
    foreign = name.removeprefix("sklearn:")
    if foreign != name and foreign in FOREIGN:
        cls = foreign_class(foreign)
    elif name in reader.classes:
        cls = reader.classes[name]
    else:
        raise ValueError(f"{name!r} is no class that this version of skae reads")
    if "fields" in description:
        return cls._make(map(reader.node, description["fields"]))
    value = cls.__new__(cls)
    state = {key: reader.node(node) for key, node in description["state"].items()}
    if hasattr(cls, "_take_state_from_file"):
        value._take_state_from_file(state)
    elif hasattr(cls, "__setstate__"):
        value.__setstate__(state)
    else:
        vars(value).update(state)
    if isinstance(value, MIXTURES):
        complete(value)
    return value


def write_requests(value, writer, path):
    """What metadata each method of an estimator asks for."""
    methods = {name: request for name, request in vars(value).items() if name != "owner"}
    return {"v": {name: request.requests for name, request in methods.items()}}


def read_requests(fields, reader):
    requests = MetadataRequest(owner="the estimator")
    for method, names in fields["v"].items():
        for name, alias in names.items():
            getattr(requests, method).add_request(param=name, alias=alias)
    return requests


def read_missing(fields, reader):
    name = fields["v"]
    return reader.given[name] if name in reader.given else reader.given[name.rsplit("__", 1)[-1]]


KINDS = (
    Kind("object", takes, write, lambda fields, reader: reader.object(fields["v"])),
    Kind(
        "requests",
        lambda value: type(value) is MetadataRequest,
        write_requests,
        read_requests,
    ),
    Kind("missing", lambda value: False, None, read_missing),
)
