"""The loop over epochs: nets are trained in step, and the best epoch is found."""

import math
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from sklearn.model_selection import KFold, train_test_split

from .checkpoints import NoCheckpoint
from .devices import step_threads
from .net import AutoencoderNet, Stopped, falls_at
from .ranks import ALONE
from .together import in_step

FEWEST_ROWS_TO_HOLD_OUT = 10


@dataclass
class Run:
    """What one call of `train` did."""

    losses: list = field(default_factory=list)  # that were watched, by epoch
    best_epoch: int = 0
    best_states: list | None = None  # of nets that are watched on held-out rows
    n_unsettled: int = 0  # losses that cannot be compared, for what is evaluated still changed
    cut_short: bool = False  # by max_epochs, while the loss still fell
    interrupted: bool = False


def train(
    nets,
    rows,
    held=None,
    *,
    max_epochs,
    progress,
    patience=math.inf,
    tol=0.0,
    n_errors=1.0,
    watch=None,
    keep_interrupted=False,
    checkpoint=None,
    ranks=ALONE,
):
    """Train the nets in step and find the epoch at which their mean loss is lowest.

    The loss is that on the held-out rows, epoch 0 counted, or without them that on the rows
    trained on. Training ends after ``max_epochs``, or when the loss has not fallen by the share
    ``tol`` in ``patience`` epochs and the learning rate has fallen, or when ``watch(nets)`` is
    true, or at Ctrl-C: it is raised, unless what was learned is to be kept. A best epoch that is
    not better than epoch 0 by the share ``tol``, and by ``n_errors`` standard errors of the
    difference, is epoch 0.

    Nets with held-out rows are left as they were at the best epoch. ``progress`` is told of the
    epochs. With a ``checkpoint`` training goes on from where that was written, to the same bits.
    Processes of several ``ranks`` share the rows of each step, and end with the same nets.
    """
    held = held or [None] * len(nets)
    validated = held[0] is not None
    checkpoint = checkpoint or NoCheckpoint()
    sizes = [len(batch) for batch in (held if validated else rows)]
    name = "valid_loss" if validated else "train_loss"
    margin = partial(nets[0].criterion_.margin, tol=tol)
    run = Run(cut_short=max_epochs > 0)
    ranks.start(nets)
    if validated:
        first_states = run.best_states = states_of(nets)
        loss, first_errors = evaluate(nets, held)
        run.losses.append(ranks.agreed(loss))
    ended = checkpoint.read(run, nets)
    ranks.wait()  # before another writes to what was read
    if ended:
        return run
    first_epoch = len(run.losses) - validated + 1
    for net, train_rows, held_rows in zip(nets, rows, held, strict=True):
        net.notify("on_train_begin", X=train_rows, y=held_rows)
    checkpoint.restore_callbacks(nets)
    trainer = in_step(nets, rows, held, ranks)
    try:
        with progress.since(first_epoch), step_threads(nets[0], rows[0]) as threads:
            for epoch in range(first_epoch, max_epochs + 1):
                trainer.epoch(threads)
                losses = [net.history[-1, name] for net in nets]
                loss = ranks.agreed(np.average(losses, weights=sizes))
                progress.epoch(epoch, loss)
                check_finite(loss, epoch, nets[0])
                if loss < min(run.losses, default=math.inf):
                    run.best_epoch = epoch
                    if validated:
                        run.best_states = states_of(nets)
                run.losses.append(loss)
                module = nets[0].module_
                if module.progress < module.settled:
                    run.n_unsettled = len(run.losses)
                stalled = has_stalled(run.losses[run.n_unsettled :], patience, margin)
                stalled = stalled and module.progress >= falls_at(nets[0].lr_schedule)
                if stalled or (watch is not None and watch(nets)):
                    run.cut_short = False
                    break
                if ranks.is_main:
                    checkpoint.write(run, nets)
    except KeyError as error:
        if "valid_loss" not in str(error):
            raise
        raise ValueError(
            "A callback asks for the held-out valid_loss, which training on all rows has not: set "
            "refit=False and early_stopping=True, or let the callback watch train_loss."
        ) from error
    except Stopped:
        run.cut_short = False
    except KeyboardInterrupt:
        if not keep_interrupted:
            raise
        run.interrupted, run.cut_short = True, False
    finally:
        trainer.end()
    for net, train_rows, held_rows in zip(nets, rows, held, strict=True):
        net.notify("on_train_end", X=train_rows, y=held_rows)
    if validated:
        restore(nets, run.best_states)
        gains = ranks.agreed(first_errors - evaluate(nets, held)[1])
        needed = max(margin(run.losses[0]), n_errors * gains.std() / math.sqrt(len(gains)))
        if run.losses[0] - run.losses[run.best_epoch] <= needed:
            run.best_epoch = 0
            restore(nets, first_states)
        run.best_states = None
    if ranks.is_main and not run.interrupted:
        checkpoint.write(run, nets, ended=True)
    if run.losses:
        progress.end(len(run.losses) - validated, min(run.losses), run.best_epoch)
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
