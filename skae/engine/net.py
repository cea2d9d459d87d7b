"""The engine: skorch's `NeuralNet`, over tensors instead of a per-row loader."""

import copy
import math
from functools import partial

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, EpochTimer, PrintLog

from .batches import Batch, Batches, SparseRows, as_tensor, dense
from .checks import factor_of
from .devices import threads_for
from .ranks import ALONE
from .seeds import redirecting
from .stream import Stream

# Elements of X that one inference step takes: enough to keep the cores busy, few enough to stay
# in the caches.
INFERENCE_ELEMENTS = 2**18
# Rows of sparse X that it takes at least: where rows are wide, it is the weights that do not fit.
SPARSE_ROWS = 64


def constant(progress):
    """The learning rate stays what it is."""
    return 1.0


def one_cycle(progress, warmup=0.1):
    """Factor of the learning rate: up linearly, then down as a cosine (Smith & Topin, 2019)."""
    if progress < warmup:
        return 0.04 + 0.96 * progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


LR_SCHEDULES = {"constant": constant, "one_cycle": one_cycle}
GRID = 100  # shares of training at which a schedule is looked at


def falls_at(lr_schedule):
    """The share of training after which the rate stays in the lower half of its fall.

    Until then a net still takes large steps, and its loss says little about where it will end:
    most of a cycle's gain comes in its last half. A rate that does not fall has fallen at 0.
    """
    rates = [factor_of(lr_schedule, i / GRID) for i in range(GRID + 1)]
    halfway = (max(rates) + rates[-1]) / 2
    return max((i / GRID for i, rate in enumerate(rates) if rate > halfway), default=0.0)


def not_compiled(error):
    """The error of a net that torch cannot compile."""
    first = " ".join(str(error).split("\n")[:2]).strip()
    return ValueError(
        f"compile asks torch to compile the net, which failed: {first} (torch.compile "
        "needs a C++ compiler, and arguments that it knows). Set compile=False."
    )


# Losses of batches that lie each in memory of its own. Many would keep the C library from using
# the memory between them again, and the process would grow with the rows.
LOSSES_KEPT = 64


class Stopped(Exception):
    """A callback ended the training, and meant it."""


class AutoencoderNet(NeuralNet):
    """A `NeuralNet` whose dataset is a `Batch` of all rows and whose criterion is an `Objective`.

    It differs from its parent where that costs time on small nets: batches are slices of tensors
    that lie on the device, the loss is read once an epoch rather than once a batch, and the
    history has no row per batch. Callbacks see epochs, and batches if they ask for them.

    Parameters
    ----------
    n_batches : int
        Steps of one epoch.

    lr_schedule : callable
        Factor of the learning rate by the share of `n_steps` that is done.

    n_steps : int
        The steps that `lr_schedule` is spread over.
    """

    # Also the arguments that hold modules: what was trained on a GPU must load without one.
    cuda_dependent_attributes_ = ["module", "criterion"]

    def __init__(self, *args, n_batches=1, lr_schedule=constant, n_steps=1, **kwargs):
        self.n_batches = n_batches
        self.lr_schedule = lr_schedule
        self.n_steps = n_steps
        super().__init__(*args, train_split=None, **kwargs)

    trains = True  # whether it has an optimizer to go on with
    compiles = False  # whether torch is to compile the forward pass

    @classmethod
    def trained(cls, module, criterion, device, losses):
        """A net that was trained before, with these losses by epoch; it only infers."""
        net = cls(module, criterion, device=device).initialize()
        net.trains = False
        for epoch, loss in enumerate(losses, start=1):
            net.history.new_epoch()
            net.history.record("epoch", epoch)
            net.history.record("train_loss", loss)
        return net

    @property
    def _default_callbacks(self):
        log = [("print_log", PrintLog())] if self.verbose > 1 else []
        return [("epoch_timer", EpochTimer()), *log]

    @property
    def callbacks_of_users(self):
        """The callbacks that were given, with their names."""
        ours = {name for name, _ in self._default_callbacks}
        return [(name, callback) for name, callback in self.callbacks_ if name not in ours]

    # -- training -----------------------------------------------------------------------------

    def notify(self, method_name, **kwargs):
        """Tell skorch's `EarlyStopping`, which stops by `KeyboardInterrupt`, from Ctrl-C."""
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt:
            stoppers = (cb for _, cb in self.callbacks_ if isinstance(cb, EarlyStopping))
            if not any(getattr(cb, "misses_", None) == cb.patience for cb in stoppers):
                raise
            raise Stopped from None

    def initialize(self):
        super().initialize()
        self.step_ = 0
        self._redirecting = redirecting(self.module_, self.criterion_)
        self._redirecting_optimizer = redirecting(self.optimizer_)
        self._lrs = [group["lr"] for group in self.optimizer_.param_groups]
        self._batch_callbacks = any(
            getattr(type(callback), hook) is not getattr(Callback, hook)
            for _, callback in self.callbacks_
            for hook in ("on_batch_begin", "on_batch_end", "on_grad_computed")
            if not isinstance(callback, EpochTimer | PrintLog)
        )
        return self

    def compile_module(self, options):
        """Let torch compile the forward pass, when it is first called."""
        try:
            self.module_.compile(**options)
        except Exception as error:  # of torch, or of the backend that was asked for
            raise not_compiled(error) from error
        self.compiles = True

    def epoch(self, rows, held, ranks, threads):
        """Train for an epoch, and note the loss of the held-out rows, if there are any."""
        data = {"dataset_train": rows, "dataset_valid": held}
        batches = self.get_iterator(rows, training=True)  # of a stream, by the epochs so far
        self.notify("on_epoch_begin", **data)
        step = threads.around(partial(self.train_step, ranks=ranks))
        self.run_single_epoch(batches, True, "train", step)
        if held is not None:
            self.run_single_epoch(self.get_iterator(held), False, "valid", self.validation_step)
        self.notify("on_epoch_end", **data)

    def get_iterator(self, dataset, training=False):
        if training:
            if isinstance(dataset, Stream):  # of which an epoch is a part
                dataset = dataset.part(len(self.history))
            return Batches(dataset, self.n_batches, shuffle=True)
        return Batches(dataset, n_inference_steps(dataset.x), shuffle=False)

    def run_single_epoch(self, iterator, training, prefix, step_fn):
        losses, sizes = [], []
        self._set_training(training)
        if training:
            self.weights_changed()
        for batch in iterator:
            if self._batch_callbacks:
                self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch)
            losses.append(step["loss"])
            if len(losses) > LOSSES_KEPT:
                losses = [torch.hstack(losses)]
            sizes.append(len(batch))
            if self._batch_callbacks:
                self.notify("on_batch_end", batch=batch, training=training, **step)
        self.record(prefix, losses, sizes)
        if training:
            self.history.new_batch()  # skorch's Checkpoint looks for a last batch

    def record(self, prefix, losses, sizes):
        """Note the mean loss of an epoch's batches, of the given numbers of rows."""
        losses, sizes = torch.hstack(losses).double().cpu(), torch.tensor(sizes).double()
        loss, name = (losses @ sizes / sizes.sum()).item(), prefix + "_loss"
        best = min((epoch[name] for epoch in self.history[:-1] if name in epoch), default=math.inf)
        self.history.record(name, loss)
        self.history.record(name + "_best", loss < best)  # and for this
        self.history.record(prefix + "_batch_count", len(sizes))

    def weights_changed(self):
        """Forget what was made of the weights: fused optimizers do not mark them as changed."""
        self._double = None

    def before_step(self, optimizer):
        """Set what depends on the steps that are done, and forget the gradients of the last."""
        self.module_.progress = min(1.0, self.step_ / self.n_steps)
        if self.lr_schedule is not constant:  # which leaves it to skorch's callbacks
            factor = factor_of(self.lr_schedule, self.module_.progress)
            for group, lr in zip(optimizer.param_groups, self._lrs, strict=True):
                group["lr"] = lr * factor
        for group in optimizer.param_groups:
            for parameter in group["params"]:  # zero_grad() takes 8 % of a small step
                parameter.grad = None

    def train_step(self, batch, ranks=ALONE):
        self.before_step(self.optimizer_)
        with ranks.sharing(batch) as batch, self._redirecting():
            with ranks.autocast():
                output = self._forward(batch)
                loss = self.criterion_(output, batch, self.module_)
            loss.backward()
        loss = ranks.averaged(loss.detach(), self.optimizer_)
        if self._batch_callbacks:
            parameters = list(self.get_all_learnable_params())
            self.notify("on_grad_computed", named_parameters=parameters, batch=batch, training=True)
        with self._redirecting_optimizer():
            self.optimizer_.step()
        self.step_ += 1
        return {"loss": loss, "y_pred": output}

    def _forward(self, batch):
        if not self.compiles:
            return self.module_(*batch.inputs)
        from torch._dynamo.exc import TorchDynamoException

        try:
            return self.module_(*batch.inputs)
        except TorchDynamoException as error:
            raise not_compiled(error) from error

    def validation_step(self, batch):
        with torch.no_grad(), self._redirecting():
            output = self._forward(batch)
            return {"loss": self.criterion_(output, batch, self.module_), "y_pred": output}

    def evaluate(self, rows):
        """The criterion on ``rows``, and what each of them adds to it; no epoch is recorded."""
        self._set_training(False)
        total, errors = 0.0, []
        batches = self.get_iterator(rows)
        with threads_for(self.module_, len(rows) // len(batches)):
            for batch in batches:
                step = self.validation_step(batch)
                total += step["loss"].item() * len(batch)
                error = self.criterion_.error(step["y_pred"], batch, self.module_)
                errors.append(error if batch.weight is None else error * batch.weight)
        return total / len(rows), torch.cat(errors).double().cpu().numpy()

    # -- inference ----------------------------------------------------------------------------

    def map_batches(self, function, *arrays):
        """``function(module, x, ...)`` of the rows of arrays, in their precision.

        None among the arrays is handed on.
        """
        answer, done, n_rows = None, 0, len(arrays[0])
        for part in self.map_slices(function, *arrays):
            if len(part) == n_rows:
                return part
            if answer is None:  # filled part by part: never the parts beside their whole
                answer = np.empty((n_rows, *part.shape[1:]), dtype=part.dtype)
            answer[done : done + len(part)] = part
            done += len(part)
        return answer

    def map_slices(self, function, *arrays):
        """What `map_batches` joins, slice by slice: an answer for each row.

        float64 rows are evaluated in float64, where products differ by 1e-16 with the number of
        rows rather than by 1e-7: a row's code does not depend on its neighbors in the call.
        """
        module = self._module_in(arrays[0].dtype)
        device = module.units.center.device
        tensors = [None if array is None else as_tensor(array) for array in arrays]
        n_steps = n_inference_steps(tensors[0])
        slices = ([t] * n_steps if t is None else t.tensor_split(n_steps) for t in tensors)
        for rows in zip(*slices, strict=True):
            with torch.inference_mode(), threads_for(module, len(rows[0])):
                rows = (None if tensor is None else dense(tensor.to(device)) for tensor in rows)
                part = function(module, *rows).cpu().numpy()
            yield part

    def _module_in(self, dtype):
        module = self.module_
        if module.training:
            module.eval()
        if dtype == np.float32:
            return module
        tensors, versions, double = self.__dict__.get("_double") or ((), None, None)
        if [t._version for t in tensors] != versions:
            tensors = [*module.parameters(), *module.buffers()]
            double = copy.deepcopy(module)
            if tensors[0].device.type == "mps":  # has no float64
                double = double.cpu()
            double = double.double().requires_grad_(False)
            self._double = tensors, [t._version for t in tensors], double
        return double

    def __getstate__(self):
        state = super().__getstate__()
        state.pop("_double", None)
        return state


def as_batch(module, x, target=None, condition=None):
    """Rows in the users' units as the module takes them."""
    target = None if target is None else module.target_units(target)
    return Batch.of(module.units(x), target, condition)


def row_errors(objective, module, *rows):
    """The error of each row, mean over its observed entries, in standardized units."""
    batch = as_batch(module, *rows)
    return objective.row_error(module(*batch.inputs), batch, module)


def n_inference_steps(x):
    elements = INFERENCE_ELEMENTS
    if isinstance(x, SparseRows):
        elements = max(elements, SPARSE_ROWS * x.shape[1])
    return max(1, min(len(x), -(-x.numel() // elements)))
