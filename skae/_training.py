"""From rows to a trained net: how many epochs held-out rows choose, and the training itself."""

import copy
import inspect
import math
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, train_test_split
from tqdm.auto import tqdm

from ._batches import as_users_have_it
from ._net import LR_SCHEDULES, AutoencoderNet, constant
from ._outlier import ENOUGH_ROWS
from ._validation import warn

OPTIMIZERS = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
}
FUSED = (torch.optim.AdamW, torch.optim.Adam, torch.optim.SGD)

# "auto" settings, chosen on tables by their held-out error against PCA's.
N_UPDATES = 500
N_UPDATES_OF_FOLDS = 200
FROM_SCRATCH = 3  # times as many, for a net that does not start at PCA or has noisy gradients
# The shortcut starts at its optimum, PCA: large steps would only shake it.
SHORTCUT_LR = 0.1  # as a share of lr
FEWEST_EPOCHS = 10
LARGEST_BATCH, SMALLEST_BATCH = 256, 8
BATCHES_PER_EPOCH = 8  # of a small table
# A step of Adam moves every weight by lr: smaller batches give noisier steps, wider rows add up
# more of them.
LR = 0.01  # of the largest batch and rows of at most WIDE columns
WIDE = 64
FOLDS_BELOW = 1000  # rows: for more, one random split is choice enough
N_FOLDS = 4
FEWEST_ROWS_TO_HOLD_OUT = 10

# Below this many multiplications a step, waking a second thread costs more than it saves.
MULTIPLICATIONS_PER_THREAD = 2**25


class TrainingMixin:
    """How an estimator trains its net. It has the training parameters of `BaseAutoencoder`."""

    def _fit(self, given, net=None):
        """Choose the number of epochs, train for it, and keep what was learned.

        ``net`` is the net to go on from, if any.
        """
        rows = self._as_rows(given)
        choosing = self.early_stopping and len(rows) >= FEWEST_ROWS_TO_HOLD_OUT
        refitting = self.refit or not choosing
        # scikit-learn's monitors score only where they see a y.
        data = {"X": as_users_have_it(given.X), "y": as_users_have_it(given.rebuilt)}
        context = self._init_callback_context(max_subtasks=choosing + refitting)
        context.call_on_fit_task_begin(estimator=self, **data)
        max_epochs = n_epochs = self._max_epochs(rows)
        tried = run = held_out_scores = None
        with local_seed(self._seed, rows.x.device):
            if choosing:
                tried, nets, held_out_scores = self._choose_epochs(
                    given, rows, max_epochs, net, data, context
                )
                n_epochs = tried.best_epoch
            if choosing and (tried.interrupted or not refitting):
                net = nets[0]
            else:
                seed_all(self._seed, rows.x.device)
                net = self._make_net(rows, max_epochs, net, callbacks=self.callbacks)
                patience = math.inf if choosing else self.n_iter_no_change
                run = self._train([net], [rows], None, n_epochs, patience, "fit", data, context)
                n_epochs = len(run.losses)
        self._keep(given, net, n_epochs, held_out_scores)
        self.loss_curve_ = [epoch["train_loss"] for epoch in net.history[:n_epochs]]
        self.validation_loss_curve_ = tried.losses if choosing else None
        if choosing:
            self.best_loss_ = tried.losses[tried.best_epoch]
        else:
            self.best_loss_ = min(self.loss_curve_, default=None)
        if self.max_epochs != "auto" and (tried or run).cut_short:
            self._warn_cut_short()
        context.call_on_fit_task_end(estimator=self, **data)
        return self

    def _partial_fit(self, given, net=None):
        """One pass over X, at a constant learning rate."""
        rows = self._as_rows(given)
        with local_seed(self._seed, rows.x.device):
            net = net or self._make_net(rows, n_epochs=1, callbacks=self.callbacks)
            net.lr_schedule, net.n_batches = constant, self._n_batches(rows)
            train([net], [rows], max_epochs=1)
        self._keep(given, net, len(net.history))
        self.loss_curve_ = [epoch["train_loss"] for epoch in net.history]
        self.validation_loss_curve_ = None
        self.best_loss_ = min(self.loss_curve_)
        return self

    def _choose_epochs(self, given, rows, max_epochs, net, data, context):
        """Train on some of the rows and watch the others.

        Returns the `Run`, the nets as they were at its best epoch, and their scores of the rows
        that they were not trained on.
        """
        n_folds = N_FOLDS if self.refit and len(rows) < FOLDS_BELOW else 1
        splits = list(held_out(len(rows), self.validation_fraction, n_folds, self._seed))
        kept = [rows.take(index) for index, _ in splits]
        held = [self._hold_out(rows.take(index)) for _, index in splits]
        callbacks = None if self.refit else self.callbacks
        n_batches = self._n_batches(rows)  # an epoch has as many steps here as in the refit
        nets = [self._make_net(part, max_epochs, net, callbacks, n_batches) for part in kept]
        name, patience = "choose n_iter_", self.n_iter_no_change
        run = self._train(nets, kept, held, max_epochs, patience, name, data, context)
        scores = [
            self._score_samples(given.take(index[:ENOUGH_ROWS]), net)
            for net, (_, index) in zip(nets, splits, strict=True)
        ]
        return run, nets, np.concatenate(scores)

    def _hold_out(self, rows):
        """The rows that held-out rows are to be judged by."""
        return rows

    def _train(self, nets, rows, held, max_epochs, patience, name, data, context):
        """`train`, watched by scikit-learn's callbacks."""
        context = context.subcontext(task_name=name, max_subtasks=max_epochs)
        context.call_on_fit_task_begin(estimator=self, **data)

        def watch(nets):
            epoch = context.subcontext(task_name="epoch")
            epoch.call_on_fit_task_begin(estimator=self, **data)
            so_far = {"net_": nets[0]}
            return epoch.call_on_fit_task_end(
                estimator=self, reconstruction_attributes=so_far, **data
            )

        run = train(
            nets,
            rows,
            held,
            max_epochs=max_epochs,
            patience=patience,
            tol=self.tol,
            watch=watch if hasattr(self, "_skl_callbacks") else None,
            verbose=self.verbose,
            name=name,
        )
        context.call_on_fit_task_end(estimator=self, **data)
        return run

    def _make_net(self, rows, n_epochs, net=None, callbacks=None, n_batches=None):
        """A net ready to train on ``rows``: a new one, or one that goes on from ``net``."""
        if net is None:
            module = self._make_module()
            module = self._start(module, self._filled(module, rows))
        else:
            module = copy.deepcopy(net.module_)
        n_batches = n_batches or self._n_batches(rows)
        optimizer = OPTIMIZERS.get(self.optimizer, self.optimizer)
        settings = dict(self.optimizer_params or {})
        if "weight_decay" in inspect.signature(optimizer).parameters:
            settings.setdefault("weight_decay", self.weight_decay)
        if optimizer in FUSED and rows.x.device.type in ("cpu", "cuda"):
            settings.setdefault("fused", True)
        return AutoencoderNet(
            module,
            self._make_objective(),
            optimizer=optimizer,
            lr=self._lr(rows),
            optimizer__param_groups=self._parameter_groups(rows),
            **{f"optimizer__{name}": value for name, value in settings.items()},
            lr_schedule=LR_SCHEDULES.get(self.lr_schedule, self.lr_schedule),
            n_batches=n_batches,
            n_steps=max(1, n_epochs * n_batches),
            callbacks=callbacks,
            device=rows.x.device,
            verbose=self.verbose,
        ).initialize()

    def _parameter_groups(self, rows):
        """Decay would pull the shortcut from PCA, the gates to zero, and scales to one."""
        shortcut = {"weight_decay": 0.0}
        if self._shortcut() == "pca":
            shortcut["lr"] = SHORTCUT_LR * self._lr(rows)
        scalars = ["*.gate", "*log_odds", "*likelihood.*"]
        return [("*shortcut.*", shortcut), *((name, {"weight_decay": 0.0}) for name in scalars)]

    def _keep(self, given, net, n_iter, held_out_scores=None):
        """The fitted attributes of a trained net."""
        self.net_ = net
        self.device_ = net.module_.units.center.device
        self.n_iter_ = n_iter
        with step_threads(net, given.X):
            self._keep_codes(given)
            self._learn_offset(given, held_out_scores)
        if not math.isfinite(self.offset_):
            raise ValueError(f"Training diverged in its last step. Lower lr (it was {net.lr:.3g}).")

    def _batch_size(self, rows):
        if self.batch_size != "auto":
            return self.batch_size
        return int(np.clip(len(rows) // BATCHES_PER_EPOCH, SMALLEST_BATCH, LARGEST_BATCH))

    def _n_batches(self, rows):
        return math.ceil(len(rows) / self._batch_size(rows))

    def _max_epochs(self, rows):
        if self.max_epochs != "auto":
            return self.max_epochs
        n_updates = N_UPDATES if len(rows) >= FOLDS_BELOW else N_UPDATES_OF_FOLDS
        if self._takes_long():
            n_updates *= FROM_SCRATCH
        return max(FEWEST_EPOCHS, math.ceil(n_updates / self._n_batches(rows)))

    def _takes_long(self):
        """Whether training needs more than the usual number of steps."""
        return self._shortcut() != "pca" or self._will_fill

    def _lr(self, rows):
        if self.lr != "auto":
            return self.lr
        batch = min(self._batch_size(rows), LARGEST_BATCH) / LARGEST_BATCH
        width = max(math.prod(rows.x.shape[1:]), WIDE) / WIDE
        return LR * math.sqrt(batch / width)

    def _warn_cut_short(self):
        warn(
            f"max_epochs={self.max_epochs} ended the training of {type(self).__name__} before the "
            f"loss had stopped falling for n_iter_no_change={self.n_iter_no_change} epochs: raise "
            "max_epochs, or leave it at 'auto'.",
            ConvergenceWarning,
        )


@dataclass
class Run:
    """What one call of `train` did."""

    losses: list = field(default_factory=list)  # that were watched, by epoch
    best_epoch: int = 0
    cut_short: bool = False  # by max_epochs, while the loss still fell
    interrupted: bool = False


def train(
    nets, rows, held=None, *, max_epochs, patience=math.inf, tol=0.0, watch=None, verbose=0, name=""
):
    """Train the nets in step and find the epoch at which their mean loss is lowest.

    The loss is that on the held-out rows, epoch 0 counted, or without them that on the rows
    trained on. Training ends after ``max_epochs``, or when the loss has not fallen by the share
    ``tol`` in ``patience`` epochs, or when ``watch(nets)`` is true, or at Ctrl-C. A best epoch
    that is not better than epoch 0 by the share ``tol``, and by the standard error of the
    difference, is epoch 0.

    Nets with held-out rows are left as they were at the best epoch.
    """
    held = held or [None] * len(nets)
    validated = held[0] is not None
    n_unsettled = 0  # losses that cannot be compared, for what is evaluated still changes
    sizes = [len(batch) for batch in (held if validated else rows)]
    margin = partial(nets[0].criterion_.margin, tol=tol)
    run = Run(cut_short=max_epochs > 0)
    if validated:
        first_states = best_states = states_of(nets)
        loss, first_errors = evaluate(nets, held)
        run.losses.append(loss)
    for net, train_rows, held_rows in zip(nets, rows, held, strict=True):
        net.notify("on_train_begin", X=train_rows, y=held_rows)
    bar = tqdm(total=max_epochs, desc=name, unit="epoch", disable=not verbose)
    try:
        with step_threads(nets[0], rows[0]):
            for epoch in range(1, max_epochs + 1):
                losses = []
                for net, train_rows, held_rows in zip(nets, rows, held, strict=True):
                    net.fit_loop(train_rows, held_rows, epochs=1)
                    losses.append(net.history[-1, "valid_loss" if validated else "train_loss"])
                loss = np.average(losses, weights=sizes)
                bar.update()
                bar.set_postfix_str(f"loss {loss:.4g}", refresh=False)
                check_finite(loss, epoch, nets[0])
                if loss < min(run.losses, default=math.inf):
                    run.best_epoch = epoch
                    if validated:
                        best_states = states_of(nets)
                run.losses.append(loss)
                if nets[0].module_.progress < nets[0].module_.settled:
                    n_unsettled = len(run.losses)
                stalled = has_stalled(run.losses[n_unsettled:], patience, margin)
                if stalled or (watch is not None and watch(nets)):
                    run.cut_short = False
                    break
    except KeyError as error:
        if "valid_loss" not in str(error):
            raise
        raise ValueError(
            "A callback asks for the held-out valid_loss, which training on all rows has not: set "
            "refit=False and early_stopping=True, or let the callback watch train_loss."
        ) from error
    except KeyboardInterrupt:
        run.interrupted, run.cut_short = True, False
    finally:
        bar.close()
    for net, train_rows, held_rows in zip(nets, rows, held, strict=True):
        net.notify("on_train_end", X=train_rows, y=held_rows)
    if validated:
        restore(nets, best_states)
        gains = first_errors - evaluate(nets, held)[1]
        needed = max(margin(run.losses[0]), gains.std() / math.sqrt(len(gains)))
        if run.losses[0] - run.losses[run.best_epoch] <= needed:
            run.best_epoch = 0
            restore(nets, first_states)
    return run


def states_of(nets):
    """Copies of the weights of the nets."""
    states = [net.module_.state_dict() for net in nets]
    return [{name: tensor.clone() for name, tensor in state.items()} for state in states]


def restore(nets, states):
    """Give the nets the weights that `states_of` copied."""
    for net, state in zip(nets, states, strict=True):
        net.module_.load_state_dict(state)


def evaluate(nets, held):
    """The mean loss on the held-out rows of all nets, and the error of each of them."""
    losses, errors = zip(*map(AutoencoderNet.evaluate, nets, held), strict=True)
    return np.average(losses, weights=[len(batch) for batch in held]), np.concatenate(errors)


def has_stalled(losses, patience, margin):
    """Whether no loss of the last ``patience`` epochs is below the one before them.

    The one before them, not the best of all: a large learning rate first drives the net away from
    PCA, and what counts is whether it is on its way back.
    """
    if len(losses) <= patience:
        return False
    before = losses[-patience - 1]
    return min(losses[-patience:]) > before - margin(before)


def check_finite(loss, epoch, net):
    """A loss that is not finite is an error, not a result."""
    if not math.isfinite(loss):
        raise ValueError(
            f"Training diverged: the loss is {loss} in epoch {epoch}. Lower lr (it was "
            f"{net.lr:.3g}), or clip the gradient by callbacks=[GradientNormClipping(1.0)]."
        )


def held_out(n_rows, validation_fraction, n_folds, seed):
    """Pairs of row numbers, to train on and to hold out: one random split, or folds."""
    if n_folds > 1:
        return KFold(n_folds, shuffle=True, random_state=seed).split(range(n_rows))
    return [train_test_split(np.arange(n_rows), test_size=validation_fraction, random_state=seed)]


def generators(device):
    """The global generators that training on a device draws from: the CPU's, and its own."""
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        return [torch.default_generator, torch.cuda.default_generators[index]]
    if device.type == "mps":
        return [torch.default_generator, torch.mps._get_default_mps_generator()]
    return [torch.default_generator]


def seed_all(seed, device):
    """Seed them. `torch.manual_seed` would seed, and not give back, those of other devices too."""
    for generator in generators(device):
        generator.manual_seed(seed)


@contextmanager
def local_seed(seed, device):
    """Seed torch's generators for a while; afterwards they are as they were."""
    states = [(generator, generator.get_state()) for generator in generators(device)]
    seed_all(seed, device)
    try:
        yield
    finally:
        for generator, state in states:
            generator.set_state(state)


@contextmanager
def step_threads(net, rows):
    """As many threads as a step of this size can use; afterwards as many as there were."""
    n_threads = torch.get_num_threads()
    work = sum(p.numel() for p in net.module_.parameters())
    work += sum(getattr(module, "multiplications", 0) for module in net.module_.modules())
    useful = work * len(rows) // net.n_batches // MULTIPLICATIONS_PER_THREAD
    torch.set_num_threads(max(1, min(n_threads, useful)))
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
