"""Parameters are declared once, as annotated attributes; all else follows from them."""

import inspect
from numbers import Real
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from skae import Autoencoder, DenoisingAutoencoder, SparseAutoencoder
from skae._sklearn import Interval
from skae.base import parameters
from skae.base.parameters import declare_parameters, first

X = np.random.default_rng(0).normal(size=(30, 4))


class Shifted(Autoencoder):
    code_size: Any = first(default=3)
    shift: float = 0.5

    _parameter_constraints = {"shift": [Interval(Real, 0, 1, closed="both")]}


def test_attributes_become_parameters():
    names = inspect.signature(Shifted).parameters
    assert list(names)[0] == "code_size"
    assert names["code_size"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    others = [p.kind for name, p in names.items() if name != "code_size"]
    assert set(others) == {inspect.Parameter.KEYWORD_ONLY}
    assert names.keys() == inspect.signature(Autoencoder).parameters.keys() | {"shift"}
    model = Shifted(2, shift=0.25)
    assert (model.code_size, model.shift, Shifted().code_size) == (2, 0.25, 3)
    assert clone(model).get_params() == model.get_params()
    assert Shifted().set_params(shift=1).shift == 1


def test_defaults_and_constraints_of_the_bases_hold():
    assert Shifted().hidden_layer_sizes == Autoencoder().hidden_layer_sizes
    assert Autoencoder().code_size is None
    with pytest.raises(ValueError, match="'shift' parameter"):
        Shifted(shift=2, max_epochs=1).fit(X)
    with pytest.raises(ValueError, match="'lr' parameter"):
        Shifted(lr=-1, max_epochs=1).fit(X)


def test_crossed_classes_have_the_parameters_of_both():
    class Both(SparseAutoencoder, DenoisingAutoencoder):
        pass

    names = {
        *inspect.signature(SparseAutoencoder).parameters,
        *inspect.signature(DenoisingAutoencoder).parameters,
    }
    assert inspect.signature(Both).parameters.keys() == names
    # the first base has the say, of its own defaults only
    assert Both().code_activation == SparseAutoencoder().code_activation
    assert Both().noise == DenoisingAutoencoder().noise
    for name in ("penalty", "noise"):
        with pytest.raises(ValueError, match=f"'{name}' parameter"):
            Both(**{name: "none of these"}, max_epochs=1).fit(X)


def test_a_class_whose_dictionary_has_no_annotations(monkeypatch):
    """As in Python 3.14, which makes them when `inspect.get_annotations` asks for them."""

    class Declared:
        size: int = 1
        rate: float = 0.5

    found = inspect.get_annotations(Declared)
    del Declared.__annotations__
    assert "__annotations__" not in vars(Declared)
    asked = []

    def get_annotations(cls):
        asked.append(cls)
        return found

    monkeypatch.setattr(parameters, "get_annotations", get_annotations)
    declare_parameters(Declared, positional="size")
    assert asked == [Declared]
    assert list(inspect.signature(Declared).parameters) == ["size", "rate"]
    made = Declared(3, rate=0.1)
    assert (made.size, made.rate) == (3, 0.1)
    with pytest.raises(TypeError, match="positional"):
        Declared(3, 0.1)


def test_inherited_annotations_are_not_taken_for_its_own():
    """A class that declares nothing changes no default."""

    class Nothing(Shifted):
        pass

    assert Nothing().get_params() == Shifted().get_params()
    assert Nothing._own_constraints == {}
