"""Names that are not known: the error offers the nearest one that is."""

import inspect
from difflib import get_close_matches
from functools import lru_cache

from .._sklearn import InvalidParameterError, StrOptions

# What others call what has another name here, and is spelled too differently to be guessed.
SYNONYMS = {
    "bce": "binary_cross_entropy",
    "bottleneck": "code_size",
    "cross_entropy": "binary_cross_entropy",
    "embedding_dim": "code_size",
    "encoding_dim": "code_size",
    "epochs": "max_epochs",
    "estimator": "autoencoder",
    "hidden_dims": "hidden_layer_sizes",
    "hidden_neurons": "hidden_layer_sizes",
    "hidden_neuron_list": "hidden_layer_sizes",
    "l1": "absolute_error",
    "l2": "squared_error",
    "latent_dim": "code_size",
    "learning_rate": "lr",
    "linear": "identity",
    "log_loss": "binary_cross_entropy",
    "mae": "absolute_error",
    "max_iter": "max_epochs",
    "mse": "squared_error",
    "n_components": "code_size",
    "n_epochs": "max_epochs",
    "normal": "gaussian",
    "patience": "n_iter_no_change",
    "seed": "random_state",
    "swish": "silu",
}


def nearest(name, known):
    """A sentence that offers the known name that was meant, as far as that can be told."""
    meant = SYNONYMS.get(name.lower().replace("-", "_").replace(" ", "_"))
    close = get_close_matches(name, sorted(known), n=1)
    found = [meant] if meant in known else close
    return f" Did you mean {found[0]!r}?" if found else ""


@lru_cache
def parameters_of(cls):
    """The parameters of ``__init__``, by name."""
    known = inspect.signature(cls.__init__).parameters
    return {name: parameter for name, parameter in known.items() if name != "self"}


class NamesMixin:
    """Errors on names of parameters, and on what these may be, offer the nearest."""

    def __new__(cls, *args, **kwargs):
        known = parameters_of(cls)
        unknown = [name for name in kwargs if name not in known]
        if unknown and not any(p.kind is p.VAR_KEYWORD for p in known.values()):
            raise TypeError(
                f"{cls.__name__} has no parameter {unknown[0]!r}.{nearest(unknown[0], known)}"
                f" It has {', '.join(sorted(known))}."
            )
        return super().__new__(cls)

    def _validate_params(self):
        try:
            super()._validate_params()
        except InvalidParameterError as error:
            for name, allowed in self._parameter_constraints.items():
                value = getattr(self, name, None)
                options = [one.options for one in allowed if isinstance(one, StrOptions)]
                if f"{name!r} parameter" in str(error) and isinstance(value, str) and options:
                    offered = nearest(value, set().union(*options))
                    raise InvalidParameterError(f"{error}{offered}") from None
            raise
