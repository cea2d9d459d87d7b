"""What `Autoencoder` learns: PCA at the start, units, losses, architecture, own modules."""

import os
import pickle
import subprocess
import sys
from copy import deepcopy

import numpy as np
import pytest
import torch
from helpers import SHORT, SMALL, assert_close_to_pca, assert_equal_states, error, reconstruct
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skae import Autoencoder
from skae.model_selection import reconstruction_r2
from skae.nn.layers import ACTIVATIONS, Shortcut, TiedLinear

pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")


# -- the start: PCA -----------------------------------------------------------------------------


@pytest.mark.parametrize("code_size", [1, 8, 32, 64, 70])
@pytest.mark.parametrize("settings", [{}, {"tied_weights": True}, {"hidden_layer_sizes": ()}])
def test_training_starts_at_pca(code_size, settings, digits):
    X = digits[:300]
    settings = {**SHORT, **settings, "code_size": code_size, "max_epochs": 0}
    start = Autoencoder(**settings).fit(X)
    assert start.transform(X).shape == (300, code_size)
    assert_close_to_pca(start, PCA(min(code_size, 64)).fit(X), X, rtol=1e-4)


@pytest.mark.parametrize("code_size", [5, 19, 30])
def test_training_starts_at_pca_of_fewer_rows_than_columns(code_size, digits):
    X = digits[:20]
    start = Autoencoder(code_size, max_epochs=0).fit(X)
    assert_close_to_pca(start, PCA(min(code_size, 20)).fit(X), X, rtol=1e-4)


@pytest.mark.parametrize("code_size", [2, 6, 9])
def test_training_starts_at_pca_far_from_the_origin(code_size, X):
    X = 1e-3 * X + 1e4  # the spread is a ten-millionth of the values
    start = Autoencoder(code_size, max_epochs=0).fit(X)
    pca = PCA(min(code_size, 6), svd_solver="full")  # the one that is exact here
    assert_close_to_pca(start, pca.fit(X), X, rtol=1e-4)


def test_codes_start_as_the_principal_components(digits):
    start = Autoencoder(4, max_epochs=0).fit(digits)
    components = PCA(4).fit_transform(digits) / start.scale_
    assert_allclose(abs(start.transform(digits)), abs(components), atol=1e-4)


def test_own_modules_start_at_pca_too(X):
    start = Autoencoder(2, encoder=nn.Linear, decoder=nn.Linear, max_epochs=0).fit(X)
    assert_close_to_pca(start, PCA(2).fit(X), X, rtol=1e-4)


@pytest.mark.parametrize("code_size", [0.3, 0.9, 0.99])
@pytest.mark.parametrize("shortcut", ["pca", None])
def test_float_code_size_is_the_share_of_variance_as_in_pca(code_size, shortcut, digits):
    X = digits[:300]
    ae = Autoencoder(code_size, shortcut=shortcut, max_epochs=0, hidden_layer_sizes=(8,))
    pca = PCA(code_size, svd_solver="full").fit(X)
    assert ae.fit(X).code_size_ == pca.n_components_
    assert ae.code_size == code_size


def test_default_code_size_is_a_quarter_of_the_columns(X):
    assert Autoencoder(max_epochs=0).fit(X).code_size_ == 2
    assert Autoencoder(max_epochs=0).fit(X[:, :1]).code_size_ == 1


# -- never worse than PCA -----------------------------------------------------------------------


@pytest.mark.parametrize("code_size", [4, 16])
@pytest.mark.parametrize("settings", [{}, {"refit": False}, {"early_stopping": False}])
def test_the_linear_autoencoder_is_no_worse_than_pca_on_held_out_rows(code_size, settings, digits):
    train, test = digits[:1000], digits[1000:]
    linear = Autoencoder(code_size, hidden_layer_sizes=(), random_state=0, **settings).fit(train)
    assert error(linear, test) <= 1.01 * error(PCA(code_size).fit(train), test)


def test_the_nonlinear_autoencoder_is_better_than_pca_on_held_out_rows(digits):
    train, test = digits[:1000], digits[1000:]
    ae = Autoencoder(4, hidden_layer_sizes=(64,), random_state=0).fit(train)
    assert error(ae, test) < 0.9 * error(PCA(4).fit(train), test)


@pytest.mark.parametrize("code_size", [2, 5])
def test_on_noise_it_is_no_worse_than_pca(code_size):
    """There is nothing to learn beyond PCA, and little enough data to learn it from."""
    noise = np.random.default_rng(0).normal(size=(500, 8))
    ae = Autoencoder(code_size, hidden_layer_sizes=(32,), random_state=0).fit(noise[:60])
    assert error(ae, noise[60:]) <= 1.03 * error(PCA(code_size).fit(noise[:60]), noise[60:])


@pytest.mark.parametrize("n_rows", [1, 2, 5, 9, 10])
def test_a_handful_of_rows_is_learned_at_least_as_well_as_by_pca(n_rows, X):
    """There are too few to hold any out; the random start of a net must not show."""
    X = X[:n_rows]
    ae = Autoencoder(2, random_state=0).fit(X)
    pca = PCA(min(2, n_rows)) if n_rows > 1 else None
    expected = error(pca.fit(X), X) if pca else 0.0
    assert error(ae, X) <= 1.01 * expected + 1e-6 * np.square(X).sum()


@pytest.mark.parametrize("early_stopping", [True, False])
def test_without_pca_training_still_learns(early_stopping, X):
    settings = {"shortcut": None, "early_stopping": early_stopping, "tol": 1e-3}
    ae = Autoencoder(2, hidden_layer_sizes=(32,), random_state=0, **settings).fit(X[:60])
    assert error(ae, X[60:]) < 0.3 * ((X[60:] - X[:60].mean(axis=0)) ** 2).sum()


# -- units --------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_epochs", [0, 5])
def test_neither_unit_nor_origin_of_x_matters(max_epochs, X):
    settings = {**SHORT, "max_epochs": max_epochs}
    plain = Autoencoder(**settings).fit(X)
    moved = Autoencoder(**settings).fit(1000 * X + 50)
    back = (reconstruct(moved, 1000 * X + 50) - 50) / 1000
    assert_allclose(back, reconstruct(plain, X), atol=1e-3)
    assert_allclose(moved.transform(1000 * X + 50), plain.transform(X), rtol=1e-3, atol=1e-3)
    assert_allclose(moved.loss_curve_, plain.loss_curve_, rtol=1e-3)
    assert moved.scale_ == pytest.approx(1000 * plain.scale_, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e-9, 1e9, 1e30])
def test_very_small_and_very_large_units(scale, X):
    plain = Autoencoder(**SHORT).fit(X)
    scaled = Autoencoder(**SHORT).fit(scale * X)
    r2 = reconstruction_r2(scaled, scale * X)
    assert r2 == pytest.approx(reconstruction_r2(plain, X), rel=1e-3)
    assert np.isfinite(scaled.offset_)


@pytest.mark.parametrize(
    ("loss", "power"), [("squared_error", 2), ("absolute_error", 1), ("huber", 2)]
)
def test_scores_are_in_units_of_x(loss, power, X):
    settings = {**SMALL, "max_epochs": 0, "loss": loss}
    one = Autoencoder(**settings).fit(X)
    ten = Autoencoder(**settings).fit(10 * X)
    assert_allclose(ten.score_samples(10 * X), 10**power * one.score_samples(X), rtol=1e-4)


def test_scores_are_minus_the_loss_summed_over_the_columns(X, unit_X):
    ae = Autoencoder(**SHORT).fit(X)
    residual = X - reconstruct(ae, X)
    assert_allclose(ae.score_samples(X), -(residual**2).sum(axis=1), rtol=1e-6)

    ae = Autoencoder(**SHORT, loss="absolute_error").fit(X)
    residual = abs(X - reconstruct(ae, X))
    assert_allclose(ae.score_samples(X), -residual.sum(axis=1), rtol=1e-6)

    ae = Autoencoder(**SHORT, loss="huber").fit(X)
    e = abs(X - reconstruct(ae, X)) / ae.scale_
    huber = np.where(e < 1, e**2 / 2, e - 0.5) * ae.scale_**2
    assert_allclose(ae.score_samples(X), -huber.sum(axis=1), rtol=1e-6)

    ae = Autoencoder(**SHORT, loss="binary_cross_entropy").fit(unit_X)
    p = reconstruct(ae, unit_X)
    nats = -unit_X * np.log(p) - (1 - unit_X) * np.log(1 - p)
    assert_allclose(ae.score_samples(unit_X), -nats.sum(axis=1), rtol=1e-5)


def test_the_score_of_a_row_with_holes_stands_for_all_columns(X):
    ae = Autoencoder(**SHORT).fit(X)
    holes = X[:5].copy()
    holes[:, [1, 4]] = np.nan
    residual = holes - reconstruct(ae, holes)
    expected = -np.nanmean(residual**2, axis=1) * X.shape[1]
    assert_allclose(ae.score_samples(holes), expected, rtol=1e-6)


def test_auto_contamination_is_a_share_of_rows_that_were_held_out():
    """Rows that were trained on fit better: a threshold from them calls too many new ones out."""
    noise = np.random.default_rng(0).normal(size=(500, 8))
    # with all but two dimensions in the code, PCA itself adapts to its 40 rows
    settings = {**SMALL, "code_size": 6, "max_epochs": 0}
    auto = Autoencoder(**settings).fit(noise[:40])
    share = Autoencoder(**settings, contamination=0.1).fit(noise[:40])
    assert (share.predict(noise[:40]) == -1).mean() == pytest.approx(0.1, abs=1 / 40)
    assert auto.offset_ < share.offset_
    new = [(ae.predict(noise[40:]) == -1).mean() for ae in (auto, share)]
    assert new[0] < new[1]
    assert new[0] == pytest.approx(0.1, abs=0.05)


# -- losses and activations ---------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_every_loss_is_learned(loss, X):
    """Each loss ends lower when it is what was minimized than with the start at PCA."""
    settings = {**SMALL, "loss": loss, "early_stopping": False}
    start = Autoencoder(**settings, max_epochs=0).fit(X)
    assert Autoencoder(**settings, max_epochs=30).fit(X).score(X) > start.score(X)


def test_binary_cross_entropy_learns_probabilities(unit_X):
    settings = {**SMALL, "loss": "binary_cross_entropy", "early_stopping": False}
    ae = Autoencoder(**settings, max_epochs=30).fit(unit_X)
    assert ae.score(unit_X) > Autoencoder(**settings, max_epochs=0).fit(unit_X).score(unit_X)
    p = reconstruct(ae, unit_X)
    assert p.min() > 0
    assert p.max() < 1
    assert error(ae, unit_X) < 0.5 * ((unit_X - unit_X.mean(axis=0)) ** 2).sum()


def test_binary_cross_entropy_takes_exact_zeros_and_ones(X):
    bits = (X > 0).astype(float)
    ae = Autoencoder(**SHORT, loss="binary_cross_entropy").fit(bits)
    assert np.isfinite(ae.score_samples(bits)).all()


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_every_activation_trains(activation, X):
    ae = Autoencoder(**SHORT, activation=activation, code_activation=activation).fit(X)
    assert np.isfinite(ae.score(X))
    codes = ae.transform(X)
    low, high = {
        "relu": (0, np.inf),
        "softplus": (0, np.inf),
        "tanh": (-1, 1),
        "sigmoid": (0, 1),
    }.get(activation, (-np.inf, np.inf))
    assert codes.min() >= low
    assert codes.max() <= high


@pytest.mark.parametrize(
    ("output_activation", "low", "high"), [("relu", 0, np.inf), ("tanh", -1, 1), ("sigmoid", 0, 1)]
)
def test_output_activations_bound_the_reconstruction_in_units_of_x(
    output_activation, low, high, unit_X
):
    ae = Autoencoder(**SHORT, output_activation=output_activation).fit(unit_X)
    for dtype in (np.float64, np.float32):
        X_hat = ae.inverse_transform(100 * ae.transform(unit_X.astype(dtype)))
        assert X_hat.min() >= low
        assert X_hat.max() <= high
    assert error(ae, unit_X) < ((unit_X - unit_X.mean(axis=0)) ** 2).sum()


# -- architecture -------------------------------------------------------------------------------


def shapes(module):
    return [tuple(m.weight.shape[::-1]) for m in module.modules() if isinstance(m, nn.Linear)]


def test_hidden_layers_are_mirrored(X):
    module = Autoencoder(2, hidden_layer_sizes=(8, 5), shortcut=None, max_epochs=0).fit(X)
    module = module.net_.module_
    assert shapes(module.encoder) == [(6, 8), (8, 5), (5, 2)]
    assert shapes(module.decoder) == [(2, 5), (5, 8), (8, 6)]


@pytest.mark.parametrize("sizes", [8, [8], (8,), np.array([8])], ids=str)
def test_hidden_layer_sizes_may_be_any_sequence_or_one_number(sizes, X):
    ae = Autoencoder(2, hidden_layer_sizes=sizes, max_epochs=0).fit(X)
    assert (6, 8) in shapes(ae.net_.module_.encoder)


@pytest.mark.parametrize("shortcut", ["pca", "linear"])
def test_without_hidden_layers_the_net_is_linear(shortcut, X):
    ae = Autoencoder(2, hidden_layer_sizes=(), shortcut=shortcut, max_epochs=0).fit(X)
    assert shapes(ae.net_.module_) == [(6, 2), (2, 6)]
    one, other = ae.transform(X[:1]), ae.transform(X[1:2])
    assert_allclose(ae.transform(0.5 * X[:1] + 0.5 * X[1:2]), 0.5 * one + 0.5 * other, atol=1e-6)


def test_shortcuts(X):
    def net(shortcut, random_state):
        settings = {**SMALL, "shortcut": shortcut, "random_state": random_state}
        return Autoencoder(**settings, max_epochs=0).fit(X).net_.module_

    def n_shortcuts(module):
        return sum(isinstance(m, Shortcut) for m in module.modules())

    assert [n_shortcuts(net(shortcut, 0)) for shortcut in ("pca", "linear", None)] == [2, 2, 0]
    # At PCA's axes whatever the seed, or at random.
    for shortcut, equal in [("pca", True), ("linear", False)]:
        one, other = (net(shortcut, seed).encoder.shortcut.weight for seed in (0, 1))
        assert torch.equal(one, other) == equal


def test_tied_weights_are_one_tensor(X):
    ae = Autoencoder(2, hidden_layer_sizes=(8, 5), tied_weights=True, max_epochs=5).fit(X)
    for net in (ae.net_, pickle.loads(pickle.dumps(ae)).net_):
        encoder, decoder = net.module_.encoder, net.module_.decoder
        tied = [m for m in decoder.modules() if isinstance(m, TiedLinear)]
        weights = [m.weight for m in encoder.modules() if isinstance(m, nn.Linear)]
        assert len(tied) == len(weights) == 4
        addresses = {w.untyped_storage().data_ptr() for w in weights}
        assert {m.weight.untyped_storage().data_ptr() for m in tied} == addresses
        # and the optimizer has each once
        matrices = [p for p in net.module_.parameters() if p.ndim == 2]
        assert len(matrices) == 4


def test_the_tied_linear_autoencoder_is_its_transpose(X):
    ae = Autoencoder(2, hidden_layer_sizes=(), tied_weights=True, max_epochs=5).fit(X)
    encoder, decoder = (ae.net_.module_.encoder.shortcut, ae.net_.module_.decoder.shortcut)
    assert torch.equal(encoder.weight.T, decoder.weight)


def test_dropout_acts_in_training_only(X):
    settings = {**SMALL, "max_epochs": 3, "early_stopping": False}
    with_dropout = Autoencoder(**settings, dropout=0.5).fit(X)
    without = Autoencoder(**settings).fit(X)
    assert not np.array_equal(with_dropout.transform(X), without.transform(X))
    assert_array_equal(with_dropout.transform(X), with_dropout.transform(X))

    module, x = with_dropout.net_.module_, torch.zeros(4, 6, device=with_dropout.device_)
    assert not module.training
    assert torch.equal(module(x).reconstruction, module(x).reconstruction)
    module.train()
    assert not torch.equal(module(x).reconstruction, module(x).reconstruction)


# -- own encoders and decoders ------------------------------------------------------------------


class Own(nn.Module):
    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        self.n_inputs, self.n_outputs = n_inputs, n_outputs
        self.layers = nn.Sequential(
            nn.Linear(n_inputs, 7), nn.BatchNorm1d(7), nn.Tanh(), nn.Linear(7, n_outputs)
        )

    def forward(self, x):
        return self.layers(x)


def make_own(n_inputs, n_outputs):
    return Own(n_inputs, n_outputs)


@pytest.mark.parametrize("shortcut", ["pca", "linear", None])
@pytest.mark.parametrize("kind", ["class", "callable", "instance"])
def test_own_encoder_and_decoder(kind, shortcut, X):
    given = {
        "class": (Own, Own),
        "callable": (make_own, make_own),
        "instance": (Own(6, 2).eval(), Own(2, 6)),
    }[kind]
    untouched = deepcopy([m.state_dict() for m in given]) if kind == "instance" else None
    settings = {**SHORT, "shortcut": shortcut, "encoder": given[0], "decoder": given[1]}
    ae = Autoencoder(**settings).fit(X)

    for half, sizes in (("encoder", (6, 2)), ("decoder", (2, 6))):
        module = getattr(ae.net_.module_, half)
        (own,) = (m for m in module.modules() if isinstance(m, Own))
        assert (own.n_inputs, own.n_outputs) == sizes
    start = Autoencoder(**{**settings, "max_epochs": 0}).fit(X)
    assert ae.score(X) != start.score(X)
    if kind == "instance":
        assert ae.encoder is given[0]
        assert ae.decoder is given[1]
        for module, state in zip(given, untouched, strict=True):
            assert_equal_states(module.state_dict(), state)
            assert all(p.grad is None for p in module.parameters())
        assert [module.training for module in given] == [False, True]


def test_own_encoder_beside_the_built_in_decoder(X):
    ae = Autoencoder(**SHORT, encoder=Own).fit(X)
    assert shapes(ae.net_.module_.decoder)[0] == (2, 8)
    assert any(isinstance(m, Own) for m in ae.net_.module_.encoder.modules())


def test_own_modules_are_trained(X):
    settings = {**SHORT, "encoder": Own(6, 2), "weight_decay": 0.0, "max_epochs": 5}
    ae = Autoencoder(**settings).fit(X)
    (own,) = (m for m in ae.net_.module_.encoder.modules() if isinstance(m, Own))
    before, after = settings["encoder"].layers[0].weight, own.layers[0].weight
    assert not torch.equal(before, after.to(before.device))


@pytest.mark.parametrize("which", ["encoder", "decoder"])
def test_own_modules_that_do_not_fit(which, X):
    with pytest.raises(ValueError, match=rf"{which} must map .* to shape .* but gave \(2, 3\)"):
        Autoencoder(**SHORT, **{which: lambda n_inputs, n_outputs: nn.Linear(n_inputs, 3)}).fit(X)
    with pytest.raises(ValueError, match=f"{which} cannot take rows of"):
        Autoencoder(**SHORT, **{which: nn.Linear(9, 2)}).fit(X)
    with pytest.raises(TypeError, match=f"{which} must be or make a torch.nn.Module"):
        Autoencoder(**SHORT, **{which: lambda n_inputs, n_outputs: "a net"}).fit(X)
    with pytest.raises(ValueError, match="tied_weights=True .* encoder= or decoder="):
        Autoencoder(**SHORT, **{which: Own}, tied_weights=True).fit(X)


# -- with other estimators ----------------------------------------------------------------------


def test_grid_search_over_a_pipeline_with_labels(digits):
    X, y = load_digits(return_X_y=True)
    pipeline = make_pipeline(
        StandardScaler(), Autoencoder(**SHORT), LogisticRegression(max_iter=1000)
    )
    search = GridSearchCV(pipeline, {"autoencoder__code_size": [1, 8]}, cv=2)
    search.fit(X[:200], y[:200].astype(str))
    assert search.best_params_ == {"autoencoder__code_size": 8}
    assert search.score(X[200:300], y[200:300].astype(str)) > 0.6


def test_search_by_its_own_score(X):
    search = GridSearchCV(Autoencoder(**SHORT), {"code_size": [1, 4]}, cv=2).fit(X)
    assert search.best_params_ == {"code_size": 4}
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


# -- devices ------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_device(device, X):
    ae = Autoencoder(**SHORT, device=device).fit(X)
    assert ae.device is device
    assert ae.device_ == torch.device("cpu")
    assert next(ae.net_.module_.parameters()).device.type == "cpu"


@pytest.mark.parametrize("device", ["nonsense", "cuda:99", "cpu:x"])
def test_devices_that_are_not_there(device, X):
    with pytest.raises(ValueError, match=f"device='{device}'.*'auto', 'cpu'"):
        Autoencoder(**SHORT, device=device).fit(X)


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.cuda
@needs_cuda
def test_auto_is_the_gpu_and_says_what_the_cpu_says(X):
    ae = Autoencoder(**SHORT).fit(X)
    assert ae.device_.type == "cuda"
    assert isinstance(ae.transform(X), np.ndarray)
    start = {"max_epochs": 0, "code_size": 2}
    on_gpu, on_cpu = (Autoencoder(**start, device=d).fit(X) for d in ("cuda", "cpu"))
    assert_allclose(on_gpu.score_samples(X), on_cpu.score_samples(X), rtol=1e-3)


@pytest.mark.cuda
@needs_cuda
def test_fit_on_the_gpu_leaves_its_random_state_as_it_was(X):
    before = torch.cuda.get_rng_state()
    Autoencoder(**SHORT, device="cuda").fit(X).transform(X)
    assert torch.equal(torch.cuda.get_rng_state(), before)


@pytest.mark.cuda
@needs_cuda
def test_a_net_trained_on_a_gpu_loads_without_one(X, tmp_path):
    ae = Autoencoder(**SHORT, device="cuda").fit(X)
    (tmp_path / "ae.pickle").write_bytes(pickle.dumps(ae))
    np.save(tmp_path / "X.npy", X)
    script = (
        "import pickle, sys, numpy as np, torch\n"
        "assert not torch.cuda.is_available()\n"
        "folder = sys.argv[1]\n"
        "ae = pickle.load(open(folder + '/ae.pickle', 'rb'))\n"
        "np.save(folder + '/codes.npy', ae.transform(np.load(folder + '/X.npy')))\n"
        "assert next(ae.net_.module_.parameters()).device.type == 'cpu'\n"
        "ae.set_params(device='cpu').partial_fit(np.load(folder + '/X.npy'))\n"
    )
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, "-c", script, tmp_path], env=environment, check=True)
    assert_allclose(np.load(tmp_path / "codes.npy"), ae.transform(X), rtol=1e-4, atol=1e-4)
