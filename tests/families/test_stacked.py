"""Layer-wise pre-training, fine-tuning, and stacks of fitted layers."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import assert_close_to_pca, assert_equal_states, error, reconstruct, states
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from skorch.callbacks import Callback

from skae import (
    Autoencoder,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    KSparseAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
)
from skae.nn.autoencoder import find
from skae.nn.layers import Noise

SHORT = {"early_stopping": False, "max_epochs": 3}
SIMPLE = {"hidden_layer_sizes": (), "shortcut": None, "code_activation": "relu"}
PROTOTYPE = Autoencoder(**SIMPLE, **SHORT)
SIZES = {"code_size": 2, "hidden_layer_sizes": (8, 4), "random_state": 0}
QUICK = {**SIZES, "layer": PROTOTYPE, **SHORT}
# Training is cut short all over this module; of the layers, only what is asked for may say so.
pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=.* training of StackedAutoencoder")


def up(layers, X):
    for layer in layers:
        X = layer.transform(X)
    return X


def down(layers, X):
    for layer in layers[::-1]:
        X = layer.inverse_transform(X)
    return X


@pytest.fixture(scope="module")
def greedy(X):
    """A stack as pre-trained."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return StackedAutoencoder(**QUICK, fine_tune=False).fit(X)


@pytest.fixture(scope="module")
def layers(X):
    """Two layers fitted one by one."""
    first = Autoencoder(4, **SIMPLE, early_stopping=False, random_state=0).fit(X)
    second = SparseAutoencoder(3, early_stopping=False, random_state=0)
    return [first, second.fit(first.transform(X))]


# -- pre-training -------------------------------------------------------------------------------


def test_each_layer_is_fitted_to_the_codes_of_the_one_below(greedy, X):
    assert [layer.n_features_in_ for layer in greedy.layers_] == [6, 8, 4]
    assert [layer.code_size_ for layer in greedy.layers_] == [8, 4, 2]
    for i, layer in enumerate(greedy.layers_):
        assert_allclose(layer.center_, up(greedy.layers_[:i], X).mean(axis=0), atol=1e-5)


def test_the_greedy_stack_is_its_layers_one_after_another(greedy, X):
    codes = up(greedy.layers_, X)
    assert_allclose(greedy.transform(X), codes, rtol=1e-6, atol=1e-8)
    assert_allclose(greedy.inverse_transform(codes), down(greedy.layers_, codes), rtol=1e-6)
    assert greedy.n_iter_ == 0


def test_partial_errors_are_those_of_the_way_up_and_down(greedy, X, X_missing):
    partial = greedy.partial_reconstruction_errors_
    assert partial.shape == (3,)
    for i, found in enumerate(partial):
        some = greedy.layers_[: i + 1]
        expected = ((X - down(some, up(some, X))) ** 2).sum(axis=1).mean()
        assert found == pytest.approx(expected, rel=1e-4)
    assert partial[-1] == pytest.approx(-greedy.score(X), rel=1e-4)
    # Missing entries do not count, as in the scores.
    with pytest.warns(ConvergenceWarning):
        gappy = StackedAutoencoder(**QUICK, fine_tune=False).fit(X_missing)
    last = gappy.partial_reconstruction_errors_[-1]
    assert last == pytest.approx(-gappy.score(X_missing), rel=1e-4)


def test_every_layer_lowers_its_error_and_fine_tuning_that_of_the_stack(digits):
    train, test = digits[:1000], digits[1000:]
    settings = {"code_size": 8, "hidden_layer_sizes": (64, 32), "random_state": 0}
    stack = StackedAutoencoder(**settings).fit(train)
    for layer in stack.layers_:
        assert layer.loss_curve_[-1] < 0.9 * layer.loss_curve_[0]
    # Each layer keeps less of the rows than the one below: the partial errors rise.
    assert (np.diff(stack.partial_reconstruction_errors_) > 0).all()
    assert -stack.score(train) < 0.8 * stack.partial_reconstruction_errors_[-1]
    pretrained = StackedAutoencoder.from_layers(stack.layers_)
    assert error(stack, test) < 0.8 * error(pretrained, test)
    assert error(stack, test) < error(PCA(8).fit(train), test)
    assert stack.validation_loss_curve_[0] > stack.validation_loss_curve_[stack.n_iter_]


def test_fine_tuning_trains_copies(greedy, X):
    tuned = StackedAutoencoder(**QUICK).fit(X)
    for one, other in zip(tuned.layers_, greedy.layers_, strict=True):
        assert_equal_states(states(one.net_), states(other.net_))
    before, after = states(greedy.net_), states(tuned.net_)
    for name, _ in tuned.net_.module_.named_parameters():
        assert not torch.equal(before[name], after[name]), name


def test_the_prototype_stays_as_it_is(X):
    prototype = clone(PROTOTYPE)
    before = prototype.get_params()
    StackedAutoencoder(**{**QUICK, "layer": prototype}).fit(X)
    assert prototype.get_params() == before
    assert not hasattr(prototype, "net_")


def test_what_the_layers_have_of_the_stack(X):
    stack = StackedAutoencoder(**QUICK, device="cpu").fit(X)
    for layer in stack.layers_:
        params = layer.get_params()
        assert (params["device"], params["random_state"], params["verbose"]) == ("cpu", 0, 0)
        assert params["max_epochs"] == 3


def test_a_stack_of_pcas_is_pca(X):
    """Each layer starts at PCA of the codes below, which are PCA's."""
    layer = Autoencoder(hidden_layer_sizes=(8,), max_epochs=0)
    stack = StackedAutoencoder(**{**SIZES, "layer": layer, "max_epochs": 0}).fit(X)
    assert_close_to_pca(stack, PCA(2).fit(X), X, rtol=1e-4)


@pytest.mark.parametrize(
    "layer",
    [
        DenoisingAutoencoder(**SIMPLE, **SHORT),
        SparseAutoencoder(**SHORT),
        SparseAutoencoder(penalty="kl", **SHORT),
        KSparseAutoencoder(k=1, **SHORT),
        ContractiveAutoencoder(**SHORT),
        Autoencoder(hidden_layer_sizes=(5,), dropout=0.1, **SHORT),
        Autoencoder(**{**SIMPLE, "code_activation": "silu"}, tied_weights=True, **SHORT),
        StackedAutoencoder(hidden_layer_sizes=(5,), layer=PROTOTYPE, **SHORT),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_every_family_can_be_the_prototype(layer, X):
    stack = StackedAutoencoder(**{**QUICK, "layer": layer, "max_epochs": 20}).fit(X)
    assert {type(fitted) for fitted in stack.layers_} == {type(layer)}
    joined = StackedAutoencoder.from_layers(stack.layers_)
    codes = up(stack.layers_, X)
    assert_allclose(joined.transform(X), codes, rtol=1e-5, atol=1e-7)
    assert_allclose(joined.inverse_transform(codes), down(stack.layers_, codes), rtol=1e-5)
    assert -stack.score(X) < stack.partial_reconstruction_errors_[-1]


def test_noise_is_for_the_layers_only(X):
    layer = DenoisingAutoencoder(noise="masking", noise_level=0.9, **SIMPLE, **SHORT)
    stack = StackedAutoencoder(**{**QUICK, "layer": layer}).fit(X)
    module = stack.net_.module_.train()
    x = torch.tensor(X, dtype=torch.float32)
    assert find(module.encoder, Noise) is not None
    assert torch.equal(module.encoder(x), module.encoder(x))
    noisy = stack.layers_[0].net_.module_.train().encoder
    assert not torch.equal(noisy(x), noisy(x))


# -- the ends of the stack ----------------------------------------------------------------------


def test_the_decoder_mirrors_the_encoder(X):
    layers = StackedAutoencoder(**SIZES, activation="tanh", **SHORT).fit(X).layers_
    assert [layer.code_activation for layer in layers] == ["tanh", "tanh", "identity"]
    assert [layer.output_activation for layer in layers] == ["auto", "tanh", "tanh"]
    assert np.abs(layers[1].reconstruct(5 * up(layers[:1], X))).max() <= 1


def test_the_code_is_as_the_prototype_says_or_the_stack(X):
    codes = StackedAutoencoder(**QUICK).fit(X).transform(X)
    assert codes.min() >= 0
    linear = StackedAutoencoder(**QUICK, code_activation="identity").fit(X)
    assert linear.transform(X).min() < 0
    squashed = StackedAutoencoder(**SIZES, code_activation="sigmoid", **SHORT).fit(X)
    assert 0 < squashed.transform(X).min() < squashed.transform(X).max() < 1


@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
def test_the_reconstruction_is_as_the_stack_says(loss, unit_X):
    settings = {"loss": loss, "output_activation": "sigmoid"}
    stack = StackedAutoencoder(**QUICK, **settings).fit(unit_X)
    assert {name: stack.layers_[0].get_params()[name] for name in settings} == settings
    assert stack.layers_[1].loss == "squared_error"
    far = 100 * stack.transform(unit_X)
    assert 0 <= stack.inverse_transform(far).min() < stack.inverse_transform(far).max() <= 1


def test_or_as_the_prototype_says_where_the_stack_says_nothing(unit_X):
    layer = clone(PROTOTYPE).set_params(output_activation="sigmoid", code_activation="sigmoid")
    stack = StackedAutoencoder(**{**QUICK, "layer": layer}).fit(unit_X)
    assert stack.net_.module_.output_activation == "sigmoid"


def test_binary_cross_entropy_throughout(unit_X):
    """Hinton's and Vincent's stacks: every layer rebuilds numbers in [0, 1]."""
    layer = clone(PROTOTYPE).set_params(loss="binary_cross_entropy", code_activation="sigmoid")
    stack = StackedAutoencoder(**{**QUICK, "layer": layer, "loss": "binary_cross_entropy"})
    stack.set_params(max_epochs=20).fit(unit_X)
    assert stack.loss_curve_[-1] < stack.loss_curve_[0]


def test_the_rate_of_fine_tuning_is_lower(X):
    whole = Autoencoder(2, max_epochs=0).fit(X)
    assert StackedAutoencoder(**QUICK).fit(X).net_.lr == pytest.approx(0.4 * whole.net_.lr)
    assert StackedAutoencoder(**QUICK, lr=0.001).fit(X).net_.lr == 0.001


# -- rows ---------------------------------------------------------------------------------------


def test_only_the_first_layer_learns_the_target(X):
    target = 50 + 20 * np.tanh(X @ np.random.default_rng(2).normal(size=(6, 3)))
    settings = {"code_size": 2, "hidden_layer_sizes": (32, 16), "random_state": 0}
    stack = StackedAutoencoder(**settings, **{**SHORT, "max_epochs": 30}).fit(X, target=target)
    assert [layer.n_outputs_ for layer in stack.layers_] == [3, 32, 16]
    assert stack.reconstruct(X).shape == target.shape
    error_of_mean = ((target - target.mean(axis=0)) ** 2).sum(axis=1).mean()
    assert -stack.score(X, target=target) < 0.3 * error_of_mean
    pretrained = StackedAutoencoder.from_layers(stack.layers_)
    last = stack.partial_reconstruction_errors_[-1]
    assert -pretrained.score(X, target=target) == pytest.approx(last, rel=1e-4)
    assert -stack.score(X, target=target) < last


def test_frames_everywhere_do_not_reach_the_layers(X):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    with config_context(transform_output="pandas"):
        stack = StackedAutoencoder(**QUICK).fit(frame)
        assert list(stack.inverse_transform(stack.transform(frame))) == list("abcdef")
    assert_array_equal(stack.transform(frame), StackedAutoencoder(**QUICK).fit(X).transform(X))


# -- going on -----------------------------------------------------------------------------------


def test_the_first_partial_fit_pretrains_on_its_rows(X):
    stack = StackedAutoencoder(**QUICK).partial_fit(X[:40])
    whole = StackedAutoencoder(**QUICK).fit(X[:40])
    for one, other in zip(stack.layers_, whole.layers_, strict=True):
        assert_equal_states(states(one.net_), states(other.net_))
    pretrained, before = stack.layers_, -stack.score(X)
    for _ in range(20):
        stack.partial_fit(X[40:])
    assert stack.layers_ is pretrained
    assert len(stack.net_.history) == 21
    assert -stack.score(X) < before


def test_a_warm_start_goes_on_with_the_fine_tuning(X):
    stack = StackedAutoencoder(**QUICK, warm_start=True).fit(X)
    pretrained, before = stack.layers_, stack.loss_curve_
    stack.fit(X)
    assert stack.layers_ is pretrained
    assert stack.loss_curve_[-1] < before[-1]


class Count(Callback):
    """The nets that were trained."""

    def __init__(self):
        self.seen = []

    def on_train_begin(self, net, **kwargs):
        self.seen.append(net)


def test_callbacks_see_the_fine_tuning(X):
    count = Count()
    stack = StackedAutoencoder(**QUICK, callbacks=[count]).fit(X)
    assert count.seen == [stack.net_]


@pytest.mark.parametrize("fine_tune", [True, False])
def test_layers_that_are_cut_short_are_told_of_if_nothing_follows(fine_tune, X):
    stack = StackedAutoencoder(**QUICK, fine_tune=fine_tune)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        stack.fit(X)
    told = [w for w in caught if "training of Autoencoder" in str(w.message)]
    assert len(told) == (0 if fine_tune else 3)


# -- stacks of fitted layers --------------------------------------------------------------------


def test_from_layers_is_the_layers_one_after_another(layers, X):
    stack = StackedAutoencoder.from_layers(layers)
    codes = up(layers, X)
    assert_allclose(stack.transform(X), codes, rtol=1e-6, atol=1e-8)
    assert_allclose(stack.inverse_transform(codes), down(layers, codes), rtol=1e-6)
    assert_allclose(stack.reconstruct(X), down(layers, codes), rtol=1e-6)
    errors = ((X - down(layers, codes)) ** 2).sum(axis=1)
    assert_allclose(stack.score_samples(X), -errors, rtol=1e-6)
    assert (stack.code_size_, stack.n_features_in_, stack.n_outputs_) == (3, 6, 6)
    copied = pickle.loads(pickle.dumps(stack))
    assert_array_equal(copied.transform(X), stack.transform(X))


def test_from_layers_copies_them(layers, X):
    before = [states(layer.net_) for layer in layers]
    stack = StackedAutoencoder.from_layers(layers, **SHORT).fit(X)
    assert not set(stack.layers_) & set(layers)
    for layer, state in zip(layers, before, strict=True):
        assert_equal_states(states(layer.net_), state)


def test_from_layers_knows_no_rows_to_tell_outliers_from(layers, X):
    stack = StackedAutoencoder.from_layers(layers, early_stopping=False, max_epochs=0)
    codes = stack.transform(X)
    for method in (stack.predict, stack.decision_function):
        with pytest.raises(NotFittedError, match=r"no rows to tell outliers from.*fit\(X\)"):
            method(X)
    assert 0.05 < (stack.fit(X).predict(X) == -1).mean() < 0.15
    assert_array_equal(stack.transform(X), codes)  # no epochs, and no pre-training


def test_from_layers_then_fit_goes_on_from_them(layers, X):
    stack = StackedAutoencoder.from_layers(layers, early_stopping=False, max_epochs=50)
    given, before = stack.layers_, error(stack, X)
    stack.fit(X)
    assert stack.layers_ is given
    assert error(stack, X) < before
    fewer = StackedAutoencoder.from_layers(layers, early_stopping=False, max_epochs=1, lr=1e-6)
    fewer.fit(X)
    assert_allclose(fewer.transform(X), up(layers, X), atol=1e-3)


def test_from_layers_then_partial_fit(layers, X):
    stack = StackedAutoencoder.from_layers(layers, random_state=0)
    before = error(stack, X)
    for _ in range(30):
        stack.partial_fit(X)
    assert error(stack, X) < before
    # at the rate that suits the rows, as if the stack had been pre-trained on them
    assert stack.net_.lr == StackedAutoencoder(**QUICK).partial_fit(X).net_.lr


def test_from_layers_can_be_cloned_and_fitted_anew(layers, X):
    stack = StackedAutoencoder.from_layers(layers, random_state=0)
    cloned = clone(stack)
    assert not hasattr(cloned, "net_")
    assert (cloned.code_size, cloned.hidden_layer_sizes) == (3, (4,))
    assert type(cloned.layer) is Autoencoder
    cloned.set_params(**SHORT).fit(X)
    assert [layer.code_size_ for layer in cloned.layers_] == [4, 3]


def test_from_layers_knows_the_columns_of_its_first_layer(X):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    target = pd.DataFrame(X[:, :2] + X[:, 2:4], columns=["s", "t"])
    settings = {**SIMPLE, "early_stopping": False, "random_state": 0}
    first = Autoencoder(4, **settings).fit(frame, target=target)
    second = Autoencoder(2, **settings).fit(first.transform(frame))
    stack = StackedAutoencoder.from_layers([first, second]).set_output(transform="pandas")
    assert list(stack.feature_names_in_) == list("abcdef")
    codes = stack.transform(frame)
    assert list(stack.inverse_transform(codes)) == ["s", "t"]
    assert_allclose(reconstruct(stack, frame), down([first, second], codes), rtol=1e-5)
    with pytest.raises(ValueError, match="columns.*order|feature names"):
        stack.transform(frame[list("fedcba")])


# -- what cannot be stacked ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"layer": PCA()}, r"layer is an instance of PCA\. .*autoencoders of skae"),
        ({"layer": Autoencoder}, r"layer is the class Autoencoder\. .*give an instance"),
        ({"layer": "autoencoder"}, r"layer is an instance of str\."),
        ({"tied_weights": True}, r"tied_weights=True .*layer=Autoencoder\(tied_weights=\.\.\.\)"),
        ({"dropout": 0.2}, r"dropout=0\.2 would do nothing"),
        ({"shortcut": "pca"}, r"shortcut='pca' would do nothing"),
        ({"encoder": torch.nn.Linear}, r"encoder=.* would do nothing"),
        ({"activation": "tanh", "layer": PROTOTYPE}, r"activation='tanh' would do nothing"),
        ({"activation": "silu"}, "'activation' parameter of StackedAutoencoder"),
        ({"layer": Autoencoder(loss="huber")}, r"layer has loss='huber', but loss='squared_error'"),
        ({"fine_tune": "yes"}, "'fine_tune' parameter"),
        ({"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes must be an integer of at least 1"),
    ],
)
def test_what_is_refused(params, message, X):
    stack = StackedAutoencoder(**params)
    before = dict(vars(stack))
    with pytest.raises((TypeError, ValueError), match=message):
        stack.fit(X)
    assert vars(stack) == before


def test_a_layer_that_fails_is_named(X):
    layer = clone(PROTOTYPE).set_params(lr=1e20)
    stack = StackedAutoencoder(**{**QUICK, "layer": layer})
    with pytest.raises(ValueError, match="diverged") as caught:
        stack.fit(X)
    assert "layers_[0]" in caught.value.__notes__[0]
    assert not hasattr(stack, "layers_")


def test_layers_that_do_not_fit_together(layers, X):
    first, second = layers
    settings = {**SIMPLE, "early_stopping": False}
    paired = Autoencoder(3, **settings).fit(first.transform(X), target=X)
    for given, kind, message in [
        ([], ValueError, "one fitted autoencoder or more, but got an empty list"),
        ([first, PCA(2).fit(first.transform(X))], TypeError, r"layers\[1\] is an instance of PCA"),
        ([first, Autoencoder()], NotFittedError, r"layers\[1\], Autoencoder, is not fitted: fit"),
        ([Autoencoder()], NotFittedError, r"layers\[0\], Autoencoder, is not fitted: fit it first"),
        ([first, first], ValueError, r"layers\[1\] .*rows of 6 numbers.*layers\[0\] have 4: fit"),
        ([second, first], ValueError, r"layers\[1\] .*rows of 6 numbers.*layers\[0\] have 3: fit"),
        ([first, paired], ValueError, r"layers\[1\] was fitted with a target"),
    ]:
        with pytest.raises(kind, match=message):
            StackedAutoencoder.from_layers(given)
    with pytest.raises(ValueError, match="dropout=0.1 would do nothing"):
        StackedAutoencoder.from_layers(layers, dropout=0.1)
