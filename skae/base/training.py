"""From rows to a trained net: how many epochs held-out rows choose, and the training itself."""

import copy
import inspect
import math
from typing import NamedTuple

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from .._errors import NotFiniteError, warn
from ..engine.batches import as_users_have_it
from ..engine.checkpoints import Checkpoint, key_of
from ..engine.devices import threads_for
from ..engine.epochs import FEWEST_ROWS_TO_HOLD_OUT, Run, held_out, train
from ..engine.net import LR_SCHEDULES, AutoencoderNet, constant
from ..engine.optimizers import FUSED, OPTIMIZERS
from ..engine.progress import Progress
from ..engine.ranks import ranks_of
from ..engine.readout import leave, leave_columns, linear_map
from ..engine.seeds import Redirected, draw_seed
from ..engine.stream import Stream
from ..nn.randomness import Draws, drawing
from .going_on import check_goes_on, retrains
from .scores import ENOUGH_ROWS

# "auto" settings, chosen on tables by their held-out error against PCA's.
N_UPDATES = 500
N_UPDATES_OF_FOLDS = 200
FROM_SCRATCH = 3  # times as many, for a net that does not start at PCA or has noisy gradients
# Of rows with weights, so many are drawn in proportion, to learn from before training starts.
ROWS_BY_WEIGHT = 4096
# Parameters that no bit of a net follows from; and the seed, which is drawn from its parameter.
ONLY_OF_THE_RUN = ("checkpoint", "verbose", "keep_interrupted", "random_state", "accelerator")
# Of calls of `partial_fit` without end.
EPOCHS_TO_REMEMBER = 200
# The shortcut starts at its optimum, PCA: large steps would only shake it.
SHORTCUT_LR = 0.1  # as a share of lr
FEWEST_EPOCHS = 10
# But after so many steps another epoch adds next to nothing: of 4 million curved rows, one epoch
# rebuilds .9905 of the variance and ten .9916.
ENOUGH_STEPS = 15_000
LARGEST_BATCH, SMALLEST_BATCH = 256, 8
BATCHES_PER_EPOCH = 8  # of a small table
# A step of Adam moves every weight by lr: smaller batches give noisier steps, wider rows add up
# more of them.
LR = 0.01  # of the largest batch and rows of at most WIDE columns
WIDE = 64
FOLDS_BELOW = 1000  # rows: for more, one random split is choice enough
N_FOLDS = 4


class Choice(NamedTuple):
    """What held-out rows have said."""

    run: Run
    nets: list  # as they were at the best epoch, one for each pair of rows kept and held out
    left: torch.Tensor | None  # the columns that are left to linear maps of the codes
    scores: np.ndarray  # of the rows, by the nets that were not trained on them


class TrainingMixin:
    """How an estimator trains its net. It has the training parameters of `BaseAutoencoder`."""

    _key = None  # names the files of its checkpoints
    _shortcut_lr = SHORTCUT_LR

    def _fit(self, given, net=None):
        """Choose the number of epochs, train for it, and keep what was learned.

        ``net`` is the net to go on from, if any.
        """
        n_rows = len(given.X)
        choosing = self.early_stopping and n_rows >= FEWEST_ROWS_TO_HOLD_OUT
        refitting = self.refit or not choosing
        # scikit-learn's monitors score only where they see a y.
        data = {"X": as_users_have_it(given.X), "y": as_users_have_it(given.rebuilt)}
        context = self._init_callback_context(max_subtasks=choosing + refitting)
        context.call_on_fit_task_begin(estimator=self, **data)
        max_epochs = n_epochs = self._max_epochs(n_rows)
        tried = run = held_out_scores = left = None
        if choosing:
            with drawing(Draws(self._seed)):
                choice = self._choose_epochs(given, max_epochs, net, data, context)
            tried, nets, left, held_out_scores = choice
            n_epochs = tried.best_epoch
        if choosing and (tried.interrupted or not refitting):
            net = nets[0]
        else:
            with drawing(Draws(self._seed)):
                rows = self._as_rows(given)
                net = self._make_net(rows, max_epochs, net, callbacks=self.callbacks)
                rows = self._filled_once(net.module_, rows)
                patience = math.inf if choosing else self.n_iter_no_change
                run = self._train([net], [rows], None, n_epochs, patience, "fit", data, context)
                if left is not None:
                    leave(net.module_, left, linear_map(net.module_, rows))
            n_epochs = len(run.losses)
        self._note_interruption(run or tried)
        self._keep(given, net, n_epochs, held_out_scores)
        self.loss_curve_ = losses_of(net)[:n_epochs]
        self.validation_loss_curve_ = tried.losses if choosing else None
        if choosing:
            self.best_loss_ = tried.losses[tried.best_epoch]
        else:
            self.best_loss_ = min(self.loss_curve_, default=None)
        if self.max_epochs != "auto" and (tried or run).cut_short:
            self._warn_cut_short()
        context.call_on_fit_task_end(estimator=self, **data)
        return self

    @property
    def _ranks(self):
        """The processes that train the net."""
        return ranks_of(self.accelerator)

    def _draw_seed(self):
        """A seed, the same in all processes."""
        return self._ranks.agreed(draw_seed(self.random_state))

    def _net_to_go_on_with(self):
        """The net that a warm start trains further, if there is one."""
        if not (self.warm_start and hasattr(self, "net_")):
            return None
        check_goes_on(self, self._made_with)
        return self.net_

    def _read(self, X, net, **beside):
        """The rows to train on, and what is learned of them before: all, or for a net no more."""
        given = self._check_given(X, **beside, reset=net is None, training=True)
        self._check_support(given, training=True)
        self._key = None
        if self.checkpoint is not None:
            self._find_checkpoint(given, net)
        if net is None:
            self._learn_units(given)
        return given

    def _find_checkpoint(self, given, net):
        """Name the fit by all that its bits follow from.

        One without a seed gets its seed of the name: killed and called again, it is the same fit.
        """
        params = self.get_params(deep=False)
        seed = None if params["random_state"] is None else self._seed
        params = {name: value for name, value in params.items() if name not in ONLY_OF_THE_RUN}
        start = None if net is None else net.module_.state_dict()
        self._key = key_of(type(self), params, seed, start, given)
        if seed is None:
            self._seed = int(self._key[:7], 16)

    def _partial_fit(self, given, net=None):
        """One pass over X, at a constant learning rate."""
        rows = self._as_rows(given)
        with drawing(Draws(self._seed)):
            n_iter, epochs = (0, []) if net is None else (self.n_iter_, net.history)
            if net is None or not net.trains or retrains(self, self._made_with):
                net = self._make_net(rows, n_epochs=1, net=net, callbacks=self.callbacks)
                net.history.extend(epochs)
            del net.history[:-EPOCHS_TO_REMEMBER]
            net.lr_schedule, net.n_batches = constant, self._n_batches(len(rows))
            run = train(
                [net],
                [rows],
                max_epochs=1,
                progress=Progress(type(self).__name__, "partial_fit", 1, verbose=0),
                keep_interrupted=self.keep_interrupted,
                ranks=self._ranks,
            )
        self._note_interruption(run)
        self._keep(given, net, n_iter + 1)
        self.loss_curve_ = losses_of(net)
        self.validation_loss_curve_ = None
        self.best_loss_ = min(self.loss_curve_, default=None)
        return self

    def _choose_epochs(self, given, max_epochs, net, data, context):
        """Train on some of the rows and watch the others: a `Choice`."""
        splits = self._splits(len(given.X))
        # Never beside a copy of all rows: those may fill half of the memory.
        kept, held = (
            [self._as_rows(given, index) for index in part] for part in zip(*splits, strict=True)
        )
        if given.weight is not None:
            kept = [part.weighed_among(part.weight.mean()) for part in kept]
            total = torch.cat([part.weight for part in held]).mean()
            held = [part.weighed_among(total) for part in held]
        held = list(map(self._hold_out, held))
        callbacks = None if self.refit else self.callbacks
        n_batches = self._n_batches(len(given.X))  # an epoch has as many steps as in the refit
        nets = [self._make_net(part, max_epochs, net, callbacks, n_batches) for part in kept]
        modules = [net.module_ for net in nets]
        kept, held = (list(map(self._filled_once, modules, parts)) for parts in (kept, held))
        name, patience = "choose n_iter_", self.n_iter_no_change
        run = self._train(nets, kept, held, max_epochs, patience, name, data, context)
        left = leave_columns(nets, kept, held) if run.best_epoch else None
        return Choice(run, nets, left, self._held_out_scores(given, nets, splits))

    def _held_out_scores(self, given, nets, splits):
        """The scores of rows by the nets that were not trained on them."""
        scores = [
            self._score_samples(given.take(index[:ENOUGH_ROWS]).by_weight(), net)
            for net, (_, index) in zip(nets, splits, strict=True)
        ]
        return np.concatenate(scores)

    def _splits(self, n_rows):
        """Pairs of numbers of rows, to train on and to hold out."""
        n_folds = N_FOLDS if self.refit and n_rows < FOLDS_BELOW else 1
        return list(held_out(n_rows, self.validation_fraction, n_folds, self._seed))

    def _loss_as_held_out(self, X):
        """The loss of rows, judged as those that are held out."""
        with drawing(Draws(self._seed)):
            rows = self._hold_out(self._as_rows(self._check_given(X, training=True)))
            return self.net_.evaluate(rows)[0]

    def _hold_out(self, rows):
        """The rows that held-out rows are to be judged by."""
        return rows

    def _train(self, nets, rows, held, max_epochs, patience, name, data, context):
        """`train`, watched by scikit-learn's callbacks."""
        ranks = self._ranks
        verbose = self.verbose if ranks.is_main else 0
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
            progress=Progress(type(self).__name__, name, max_epochs, verbose),
            keep_interrupted=self.keep_interrupted,
            checkpoint=self._key and Checkpoint(self.checkpoint, f"{self._key}-{name.split()[0]}"),
            ranks=ranks.each_with_own_rows() if isinstance(rows[0], Stream) else ranks,
        )
        context.call_on_fit_task_end(estimator=self, **data)
        return run

    def _make_net(self, rows, n_epochs, net=None, callbacks=None, n_batches=None):
        """A net ready to train on ``rows``: a new one, or one that goes on from ``net``."""
        if net is None:
            self._check_size()
            with Redirected():  # layers are initialized by functions that take no generator
                module = self._make_module()
                start = rows.by_weight(ROWS_BY_WEIGHT)
                module = self._start(module, self._filled(module, start))
        else:
            module = copy.deepcopy(net.module_)
        n_batches = n_batches or self._n_batches(len(rows))
        optimizer = OPTIMIZERS.get(self.optimizer, self.optimizer)
        settings = dict(self.optimizer_params or {})
        if "weight_decay" in inspect.signature(optimizer).parameters:
            settings.setdefault("weight_decay", self.weight_decay)
        if (
            optimizer in FUSED
            and "foreach" not in settings
            and rows.x.device.type in ("cpu", "cuda")
        ):
            settings.setdefault("fused", True)
        net = AutoencoderNet(
            module,
            self._make_objective(),
            optimizer=optimizer,
            lr=self._lr(rows),
            optimizer__param_groups=self._parameter_groups(rows),
            **{f"optimizer__{name}": value for name, value in settings.items()},
            lr_schedule=LR_SCHEDULES.get(self.lr_schedule, self.lr_schedule),
            n_batches=n_batches,
            n_steps=max(1, n_epochs * n_batches),
            callbacks=None if callbacks is None else list(callbacks),
            device=rows.x.device,
            verbose=self.verbose,
        )
        try:
            net.initialize()
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"optimizer={self.optimizer!r} cannot be made with optimizer_params="
                f"{self.optimizer_params!r}: {error}"
            ) from error
        if self.compile is not False:
            net.compile_module({} if self.compile is True else self.compile)
        return net

    def _parameter_groups(self, rows):
        """Decay would pull the shortcut from PCA, the gates to zero, and scales to one."""
        shortcut = {"weight_decay": 0.0}
        if self._starts_linear():
            shortcut["lr"] = self._shortcut_lr * self._lr(rows)
        scalars = ["*.gate", "*log_odds", "*likelihood.*"]
        return [("*shortcut.*", shortcut), *((name, {"weight_decay": 0.0}) for name in scalars)]

    def _keep(self, given, net, n_iter, held_out_scores=None):
        """The fitted attributes of a trained net."""
        self.net_ = net
        self._remember_parameters()
        self.device_ = net.module_.units.center.device
        self.n_iter_ = n_iter
        try:
            with threads_for(net.module_, len(given.X) // net.n_batches):
                self._keep_codes(given)
                self._learn_offset(given, held_out_scores)
        except NotFiniteError as error:
            raise ValueError(
                f"Training diverged in its last step. Lower lr (it was {net.lr:.3g})."
            ) from error

    def _batch_size(self, n_rows):
        if self.batch_size != "auto":
            return self.batch_size
        return int(np.clip(n_rows // BATCHES_PER_EPOCH, SMALLEST_BATCH, LARGEST_BATCH))

    def _n_batches(self, n_rows):
        return math.ceil(n_rows / self._batch_size(n_rows))

    def _max_epochs(self, n_rows):
        if self.max_epochs != "auto":
            return self.max_epochs
        return self._n_epochs(n_rows, self._n_batches(n_rows))

    def _n_epochs(self, n_rows, n_steps):
        """Epochs of so many steps at most, where ``max_epochs`` does not say."""
        n_updates = N_UPDATES if n_rows >= FOLDS_BELOW else N_UPDATES_OF_FOLDS
        n_updates *= FROM_SCRATCH if self._takes_long() else 1
        fewest = min(FEWEST_EPOCHS, math.ceil(ENOUGH_STEPS / n_steps))
        return max(fewest, math.ceil(n_updates / n_steps))

    def _takes_long(self):
        """Whether training needs more than the usual number of steps."""
        return self._shortcut() != "pca" or self._format.expects_missing

    def _starts_linear(self):
        """Whether training starts at the best linear maps."""
        return self._shortcut() == "pca"

    def _lr(self, rows):
        if self.lr != "auto":
            return self.lr
        batch = min(self._batch_size(len(rows)), LARGEST_BATCH) / LARGEST_BATCH
        width = max(math.prod(rows.x.shape[1:]), WIDE) / WIDE
        return LR * math.sqrt(batch / width)

    def _note_interruption(self, run):
        self.interrupted_ = run.interrupted
        if self.interrupted_:
            warn(
                f"Ctrl-C ended the training of {type(self).__name__}; what was learned until then "
                "is kept, as keep_interrupted=True asks for, and interrupted_ is True.",
                UserWarning,
            )

    def _warn_cut_short(self):
        warn(
            f"max_epochs={self.max_epochs} ended the training of {type(self).__name__} before the "
            f"loss had stopped falling for n_iter_no_change={self.n_iter_no_change} epochs: raise "
            "max_epochs, or leave it at 'auto'.",
            ConvergenceWarning,
        )


def losses_of(net):
    """The training loss by epoch, of those that came to their end."""
    return [epoch["train_loss"] for epoch in net.history if "train_loss" in epoch]
