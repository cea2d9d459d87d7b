"""How `Autoencoder` is trained: optimizer, stopping, what it warns of, and going on."""

import gc
import pickle
import tracemalloc

import numpy as np
import pytest
import torch
from helpers import LEARNS, SHORT, SMALL, assert_close_to_pca, assert_equal_states, states
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from skae import Autoencoder, DenoisingAutoencoder
from skae.base.autoencoder import standardized
from skae.engine.net import constant, falls_at, one_cycle
from skae.rows.units import center_and_scale

# Most tests cut training short; those of the warning itself catch it before this does.
pytestmark = pytest.mark.filterwarnings("ignore:max_epochs=")


# -- the optimizer ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        ("adamw", torch.optim.AdamW),
        ("adam", torch.optim.Adam),
        ("sgd", torch.optim.SGD),
        ("rmsprop", torch.optim.RMSprop),
        (torch.optim.NAdam, torch.optim.NAdam),
        (torch.optim.Rprop, torch.optim.Rprop),  # has no weight_decay
    ],
)
def test_optimizers(optimizer, expected, X):
    ae = Autoencoder(**SHORT, optimizer=optimizer).fit(X)
    assert type(ae.net_.optimizer_) is expected
    start = Autoencoder(**{**SHORT, "max_epochs": 0}).fit(X)
    assert not np.array_equal(ae.transform(X), start.transform(X))


def test_optimizer_params_reach_the_optimizer(X):
    params = {"betas": (0.8, 0.9), "weight_decay": 0.5}
    ae = Autoencoder(**SHORT, optimizer_params=params).fit(X)
    assert ae.optimizer_params == {"betas": (0.8, 0.9), "weight_decay": 0.5}
    groups = ae.net_.optimizer_.param_groups
    assert all(group["betas"] == (0.8, 0.9) for group in groups)
    assert max(group["weight_decay"] for group in groups) == 0.5


@pytest.mark.parametrize(
    "settings", [{}, {"encoder": torch.nn.Linear}, {"tied_weights": True}], ids=str
)
def test_weight_decay_leaves_the_way_to_pca_alone(settings, X):
    ae = Autoencoder(**SHORT, **settings, weight_decay=0.3).fit(X)
    decay = {
        id(p): group["weight_decay"]
        for group in ae.net_.optimizer_.param_groups
        for p in group["params"]
    }
    for name, parameter in ae.net_.module_.named_parameters():
        undecayed = "shortcut." in name or name.endswith("gate")
        assert decay[id(parameter)] == (0.0 if undecayed else 0.3), name


def test_weight_decay_shrinks_the_weights(X):
    def norm(weight_decay):
        ae = Autoencoder(**SHORT, shortcut=None, lr=0.01, weight_decay=weight_decay).fit(X)
        return sum(p.square().sum().item() for p in ae.net_.module_.parameters() if p.ndim == 2)

    assert norm(10.0) < 0.9 * norm(0.0)


def test_lr_schedules(X):
    seen = []

    def schedule(progress):
        seen.append(progress)
        return 0.0

    settings = {**SHORT, "batch_size": 20}
    still = Autoencoder(**settings, lr_schedule=schedule).fit(X)
    assert_allclose(seen, np.arange(12) / 12)
    start = Autoencoder(**{**settings, "max_epochs": 0}).fit(X)
    assert_array_equal(still.transform(X), start.transform(X))

    constant = Autoencoder(**settings, lr_schedule="constant", lr=1e-3).fit(X)
    one = Autoencoder(**settings, lr_schedule=lambda progress: 1.0, lr=1e-3).fit(X)
    assert_array_equal(constant.transform(X), one.transform(X))
    one_cycle = Autoencoder(**settings, lr_schedule="one_cycle", lr=1e-3).fit(X)
    assert not np.array_equal(one_cycle.transform(X), one.transform(X))


@pytest.mark.parametrize(("batch_size", "n_batches"), [(500, 1), (40, 2), (30, 3), (1, 80)])
def test_batch_size(batch_size, n_batches, X):
    ae = Autoencoder(**{**SHORT, "max_epochs": 1}, batch_size=batch_size).fit(X)
    assert ae.net_.history[0, "train_batch_count"] == n_batches


# -- stopping -----------------------------------------------------------------------------------


def leap(progress):
    """A learning rate that first trains and then destroys."""
    return 1.0 if progress < 0.5 else 1e3


class Keeper(Callback):
    """Keeps the state and the held-out loss of every epoch, 0 included."""

    def on_train_begin(self, net, **kwargs):
        self.states, self.losses = [states(net)], [None]

    def on_epoch_end(self, net, **kwargs):
        self.states.append(states(net))
        self.losses.append(net.history[-1, "valid_loss"])


@pytest.mark.parametrize(
    ("case", "settings"),
    [
        ("the best in the middle", {**LEARNS, "lr_schedule": leap, "max_epochs": 10}),
        ("the start is best", {"lr": 1.0, "max_epochs": 5}),
        ("the gain is too small", {**LEARNS, "max_epochs": 5, "tol": 0.99}),
        ("the last is best", {**LEARNS, "max_epochs": 5}),
    ],
)
def test_early_stopping_keeps_the_net_of_the_best_epoch(case, settings, X):
    keeper = Keeper()
    ae = Autoencoder(2, hidden_layer_sizes=(32,), refit=False, random_state=0, callbacks=[keeper])
    ae.set_params(**settings).fit(X)
    curve = ae.validation_loss_curve_
    assert curve[1:] == keeper.losses[1:]
    if case == "the gain is too small":
        assert np.argmin(curve) > 0
        assert ae.n_iter_ == 0
    else:
        assert ae.n_iter_ == np.argmin(curve)
        in_the_middle = 0 < ae.n_iter_ < settings["max_epochs"]
        assert in_the_middle == (case == "the best in the middle")
        assert (ae.n_iter_ == 0) == (case == "the start is best")
    assert ae.best_loss_ == curve[ae.n_iter_]
    assert_equal_states(states(ae.net_), keeper.states[ae.n_iter_])


def test_early_stopping_ends_when_nothing_is_gained(X):
    noise = np.random.default_rng(0).normal(size=X.shape)
    epochs = {}
    for schedule in ("constant", "one_cycle"):
        settings = {**SMALL, "lr_schedule": schedule, "n_iter_no_change": 3, "max_epochs": 50}
        epochs[schedule] = len(Autoencoder(**settings).fit(noise).validation_loss_curve_) - 1
    # A loss is judged once the rate has fallen: in the second half of a cycle.
    assert epochs["constant"] < 27 <= epochs["one_cycle"] < 50


def test_more_patience_or_a_longer_cycle_costs_no_error(digits):
    """A cycle that is cut while the rate is high ends above a short one."""
    train, test = digits[:400], digits[400:]
    settings = {"code_size": 2, "hidden_layer_sizes": (64,), "random_state": 0, "refit": False}
    errors = []
    for more in (
        {"max_epochs": 30},
        {"max_epochs": 150},
        {"max_epochs": 150, "n_iter_no_change": 3},
    ):
        ae = DenoisingAutoencoder(**settings, **more).fit(train)
        errors.append(np.mean((ae.reconstruct(test) - test) ** 2))
    assert max(errors[1:]) < 0.98 * errors[0]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [(constant, 0), (lambda p: 1 if p < 0.25 else 0.1, 0.24), (lambda p: 1 - p, 0.49)],
)
def test_when_a_rate_has_fallen(schedule, expected):
    assert falls_at(schedule) == expected
    assert falls_at(one_cycle) == 0.54


@pytest.mark.parametrize("n_rows", [80, 1000])
def test_the_refit_sees_all_rows_for_the_chosen_number_of_epochs(n_rows, digits):
    seen = []

    class Watch(Callback):
        def on_epoch_begin(self, net, dataset_train, dataset_valid, **kwargs):
            seen.append((len(dataset_train), dataset_valid))

    ae = Autoencoder(**SMALL, **LEARNS, max_epochs=3, callbacks=[Watch()])
    ae.fit(digits[:n_rows])
    assert ae.n_iter_ > 0
    assert seen == [(n_rows, None)] * ae.n_iter_
    assert len(ae.validation_loss_curve_) == 4


@pytest.mark.parametrize("validation_fraction", [0.1, 0.5])
def test_validation_fraction(validation_fraction, X):
    seen = []

    class Watch(Callback):
        def on_epoch_begin(self, net, dataset_train, dataset_valid, **kwargs):
            seen.append((len(dataset_train), len(dataset_valid)))

    settings = {"refit": False, "validation_fraction": validation_fraction, "max_epochs": 1}
    Autoencoder(**SMALL, **settings, callbacks=[Watch()]).fit(X)
    n_held_out = int(80 * validation_fraction)
    assert seen == [(80 - n_held_out, n_held_out)]


def test_attributes_with_early_stopping(X):
    ae = Autoencoder(**SMALL).fit(X)
    assert isinstance(ae.n_iter_, int)
    assert 0 <= ae.n_iter_ < len(ae.validation_loss_curve_)
    assert len(ae.loss_curve_) == len(ae.net_.history) == ae.n_iter_
    assert ae.best_loss_ == ae.validation_loss_curve_[ae.n_iter_]


def test_attributes_without_early_stopping(X):
    ae = Autoencoder(**SHORT).fit(X)
    assert ae.n_iter_ == 3
    assert ae.loss_curve_ == ae.net_.history[:, "train_loss"]
    assert len(ae.loss_curve_) == 3
    assert all(isinstance(loss, float) for loss in ae.loss_curve_)
    assert ae.validation_loss_curve_ is None
    assert ae.best_loss_ == min(ae.loss_curve_)


def test_attributes(X):
    ae = Autoencoder(**SHORT, device="cpu").fit(X)
    assert ae.code_size_ == 2
    assert isinstance(ae.offset_, float)
    assert ae.offset_ == pytest.approx(np.percentile(ae.score_samples(X), 10))
    assert ae.device_ == torch.device("cpu")
    assert ae.n_features_in_ == 6
    assert not hasattr(ae, "feature_names_in_")
    assert_allclose(ae.center_, X.mean(axis=0), rtol=1e-6)
    assert ae.scale_ == pytest.approx(np.sqrt(X.var(axis=0).mean()), rel=1e-6)
    assert ae.net_.module_.units.scale.item() == ae.scale_
    expected = vars(Autoencoder(**SHORT)).keys()
    learned = {name for name in vars(ae).keys() - expected if not name.startswith("_")}
    assert all(name.endswith("_") for name in learned)


def test_the_loss_is_the_share_of_the_variance_that_is_lost(X):
    ae = Autoencoder(**SMALL, refit=False, max_epochs=0).fit(X)
    (at_the_start,) = ae.validation_loss_curve_
    pca = PCA(2).fit(X)
    assert at_the_start == pytest.approx(1 - pca.explained_variance_ratio_.sum(), rel=0.5)


# -- warnings of training cut short -------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"early_stopping": False}, {"refit": False}], ids=str)
def test_max_epochs_warns_where_it_ends_training(settings, X):
    settings = {**settings, "max_epochs": 2}
    with pytest.warns(ConvergenceWarning, match="max_epochs=2 ended .* Autoencoder") as caught:
        Autoencoder(**SMALL, **settings).fit(X)
    assert len(caught) == 1
    assert caught[0].filename == __file__  # the line of the user's that called fit


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"early_stopping": False},
        {"refit": False},
        {"max_epochs": 0},
        {"max_epochs": 200},
        {"max_epochs": 1000, "early_stopping": False, "tol": 0.1, "n_iter_no_change": 5},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("error")
def test_nothing_warns_where_training_came_to_its_end(settings, X):
    Autoencoder(**SMALL, **settings).fit(X)


# -- going on -----------------------------------------------------------------------------------


def test_warm_start_goes_on(X):
    settings = {**SHORT, "max_epochs": 10, "shortcut": None, "lr": 0.01}
    ae = Autoencoder(**settings, warm_start=True).fit(X)
    first, score = ae.loss_curve_, ae.score(X)
    assert_array_equal(ae.transform(X), Autoencoder(**settings).fit(X).transform(X))
    ae.fit(X)
    assert ae.n_iter_ == 10
    assert ae.loss_curve_[0] < first[-1]
    assert ae.score(X) > score
    assert ae.set_params(warm_start=False).fit(X).score(X) == score


def test_warm_start_keeps_the_units_of_the_first_call(X):
    ae = Autoencoder(**SHORT, warm_start=True).fit(X)
    center, scale = ae.center_, ae.scale_
    ae.fit(2 * X + 1)
    assert ae.center_ is center
    assert ae.scale_ is scale


def test_warm_start_begins_where_the_last_call_ended(X):
    ae = Autoencoder(**SHORT, warm_start=True).fit(X)
    codes = ae.transform(X)
    ae.set_params(max_epochs=0).fit(X[:40])
    assert_array_equal(ae.transform(X), codes)


@pytest.mark.parametrize("refit", [True, False])
def test_warm_start_with_early_stopping_never_ends_worse_than_it_began(refit, X):
    ae = Autoencoder(**SMALL, refit=refit, warm_start=True, max_epochs=5).fit(X)
    codes = ae.transform(X)
    ae.set_params(lr=5.0).fit(X)  # drives it far off: the start is best
    assert ae.n_iter_ == 0
    assert_array_equal(ae.transform(X), codes)


def test_warm_start_refuses_other_columns(X):
    ae = Autoencoder(**SHORT, warm_start=True).fit(X)
    with pytest.raises(ValueError, match="X has 4 features, but Autoencoder is expecting 6"):
        ae.fit(X[:, :4])


def test_partial_fit_learns(X):
    ae = Autoencoder(2, hidden_layer_sizes=(32,), shortcut=None, lr=1e-2, random_state=0)
    assert ae.partial_fit(X[:40]) is ae
    assert ae.n_iter_ == 1
    score = ae.score(X[60:])
    for _ in range(15):
        ae.partial_fit(X[:40]).partial_fit(X[40:60])
    assert ae.n_iter_ == len(ae.loss_curve_) == 31
    assert ae.loss_curve_[-1] < 0.5 * ae.loss_curve_[0]
    assert ae.score(X[60:]) > 0.5 * score  # scores are negative
    assert ae.best_loss_ == min(ae.loss_curve_)
    assert ae.validation_loss_curve_ is None


def test_partial_fit_goes_on_from_fit(X):
    ae = Autoencoder(**SHORT).fit(X)
    center, codes = ae.center_, ae.transform(X)
    net = ae.net_
    ae.partial_fit(X + 1)
    assert ae.center_ is center
    assert ae.n_iter_ == 4
    assert not np.array_equal(ae.transform(X), codes)
    # what was handed out before is not changed behind one's back
    assert ae.net_ is not net


def test_partial_fit_starts_at_pca(X):
    ae = Autoencoder(**SMALL, lr=1e-9).partial_fit(X)
    assert_close_to_pca(ae, PCA(2).fit(X), X, rtol=1e-3)


def test_partial_fit_refuses_other_columns(X):
    ae = Autoencoder(**SHORT).partial_fit(X)
    with pytest.raises(ValueError, match="X has 4 features, but Autoencoder is expecting 6"):
        ae.partial_fit(X[:, :4])


def test_many_rows_are_gone_through_less_often():
    model = Autoencoder(2, max_epochs=0).fit(np.eye(3))
    steps = [(n, n / 256) for n in (1_000, 100_000, 1_000_000, 10_000_000)]
    assert [model._n_epochs(*of) for of in steps] == [128, 10, 4, 1]


# -- compiling ----------------------------------------------------------------------------------


def test_a_compiled_net_learns_the_same(X):
    """By a backend that needs no C++ compiler, and rounds as ever."""
    drawn = torch.get_rng_state()
    settings = {**SHORT, "dropout": 0.2}
    plain = DenoisingAutoencoder(**settings).fit(X)
    compiled = DenoisingAutoencoder(**settings, compile={"backend": "aot_eager"}).fit(X)
    assert_array_equal(compiled.transform(X), plain.transform(X))
    assert compiled.loss_curve_ == plain.loss_curve_
    assert torch.equal(torch.get_rng_state(), drawn)
    assert_array_equal(pickle.loads(pickle.dumps(compiled)).transform(X), plain.transform(X))


@pytest.mark.parametrize("options", [{"backend": "none of torch's"}, {"speed": "fast"}], ids=str)
def test_a_net_that_cannot_be_compiled(options, X):
    with pytest.raises(ValueError, match=r"compile asks torch .* Set compile=False\."):
        Autoencoder(**SHORT, compile=options).fit(X)


def test_a_compiler_that_fails(X):
    def backend(graph, inputs):
        raise RuntimeError("out of tricks")

    with pytest.raises(ValueError, match="compile asks torch .*out of tricks.*Set compile=False"):
        Autoencoder(**SHORT, compile={"backend": backend}).fit(X)


# -- memory -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fit_holds_one_copy_of_the_rows(dtype, monkeypatch):
    """In float32, in which it trains; what it takes for parts and a start does not grow with X."""
    monkeypatch.setattr("skae.rows.given.CHUNK", 2**14)
    monkeypatch.setattr("skae.base.architecture.START_ENTRIES", 2**12)
    X = np.random.default_rng(0).normal(size=(100_000, 20)).astype(dtype)
    ae = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=0, random_state=0)
    ae.fit(X[:1000])  # what is imported where it is used
    tracemalloc.start()
    try:
        ae.fit(X)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert X.size * 4 < peak < 1.35 * X.size * 4


def test_units_read_by_parts_are_those_of_all_rows(monkeypatch):
    X = np.random.default_rng(0).normal(5, 2, size=(3000, 7))
    X[::13, 3] = np.nan
    whole = center_and_scale(X)
    monkeypatch.setattr("skae.rows.given.CHUNK", 100)
    for part, all_rows in zip(center_and_scale(X), whole, strict=True):
        assert_allclose(part, all_rows, rtol=1e-12)
    index = np.arange(0, 3000, 2)
    expected = ((X - whole[0]) / whole[1]).astype(np.float32)
    assert_array_equal(standardized(X, *whole).numpy(), expected)
    assert_array_equal(standardized(X, *whole, index).numpy(), expected[index])


def test_losses_of_many_batches_lie_in_little_memory():
    """One each would keep the C library from using again what lies between them."""
    counts = []

    class Count(Callback):
        def on_batch_end(self, net, training=False, **kwargs):
            if training and net.step_ % 100 == 0:
                tensors = [o for o in gc.get_objects() if type(o) is torch.Tensor]
                counts.append(sum(o.ndim == 0 and not o.requires_grad for o in tensors))

    X = np.random.default_rng(0).normal(size=(400, 3))
    settings = {**SHORT, "max_epochs": 1, "batch_size": 1}
    ae = Autoencoder(**settings, callbacks=[("count", Count())]).fit(X)
    assert len(counts) == 4
    assert max(counts) - counts[0] < 100
    assert np.isfinite(ae.loss_curve_).all()
