"""Nets trained in step: one after the other, or as one where a step costs calls and little more.

A step of a small net is some hundred calls of torch with hardly any arithmetic in them. Where the
weights of four nets lie in one stack, with a first axis for the nets, the calls are made once.
"""

import copy
from itertools import repeat

import torch
from torch import nn
from torch.nn import functional as F

from ..nn.layers import ACTIVATIONS
from .batches import Batch
from .net import AutoencoderNet
from .optimizers import OPTIMIZERS
from .ranks import ALONE

# Layers of torch that do with rows of shape (n_nets, n_rows, n) what they do with (n_rows, n).
STACK = (nn.Sequential, nn.Linear, *ACTIVATIONS.values())
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def in_step(nets, rows, held, ranks):
    """How the nets are trained, epoch by epoch: together where all of their parts can be."""
    if len(nets) > 1 and ranks is ALONE and can_stack(nets, rows):
        return Together(nets, rows, held)
    return Apart(nets, rows, held, ranks)


def can_stack(nets, rows):
    """Whether these nets, which differ in their weights, can be trained as one.

    A part says so of itself by ``stacks``, which what inherits from it must say anew.
    """
    net = nets[0]
    if net.compiles or net.callbacks_of_users or type(net.optimizer_) not in OPTIMIZERS.values():
        return False
    if not all(type(part) is Batch and part.condition is None for part in rows):
        return False
    if len({len(batches) for batches in training_batches(nets, rows)}) > 1:
        return False
    parts = [part for whole in (net.module_, net.criterion_) for part in whole.modules()]
    if any(map(has_hooks, [*parts, *net.module_.parameters()])):
        return False
    return all(type(p) in STACK or vars(type(p)).get("stacks", False) for p in parts)


def training_batches(nets, rows):
    """The batches of an epoch of each net."""
    return map(AutoencoderNet.get_iterator, nets, rows, repeat(True))


def has_hooks(part):
    """Whether a module or a weight does something of its own when it is used."""
    return any(getattr(part, name, None) for name in HOOKS)


class Apart:
    """Each net for itself."""

    def __init__(self, nets, rows, held, ranks):
        self.nets, self._ranks = nets, ranks
        self._data = list(zip(nets, rows, held, strict=True))

    def epoch(self, threads):
        """Train each for an epoch, and watch it on its held-out rows, if there are any."""
        for net, train_rows, held_rows in self._data:
            net.epoch(train_rows, held_rows, self._ranks, threads)

    def end(self):
        """Leave the nets as they are."""


class Together:
    """All nets by one step.

    The weights of each net, and what its optimizer knows of them, are views of the stack: whoever
    reads or writes a net finds it as if it were trained alone.
    """

    def __init__(self, nets, rows, held):
        self.nets, self._rows, self._held = nets, rows, held
        self._watched = None  # the held-out rows of all
        if held[0] is not None:
            self._watched = side_by_side([part.dense() for part in held])
        self.module = stacked([net.module_ for net in nets])
        # A weight of the stack, and that of each net.
        self._weights = [
            (whole, [net.module_.get_parameter(name) for net in nets])
            for name, whole in self.module.named_parameters()
        ]
        for whole, parts in self._weights:
            for i, part in enumerate(parts):
                part.data = as_alone(whole.data[i], part)
        self.optimizer = self._make_optimizer()

    def _make_optimizer(self):
        """One that goes on from where those of the nets are."""
        first = self.nets[0].optimizer_
        whole_of = {parts[0]: whole for whole, parts in self._weights}
        groups = [
            {**group, "params": [whole_of[part] for part in group["params"]]}
            for group in first.param_groups
        ]
        optimizer = type(first)(groups, lr=first.defaults["lr"])
        for whole, parts in self._weights:
            known = [net.optimizer_.state[p] for net, p in zip(self.nets, parts, strict=True)]
            for name, value in known[0].items():
                if by_weight(name, value):
                    value = torch.stack([in_stack(each[name]) for each in known])
                optimizer.state[whole][name] = copy.deepcopy(value)
        return optimizer

    def epoch(self, threads):
        """Train all for an epoch, and watch each on its held-out rows, if there are any."""
        self._notify("on_epoch_begin")
        self.module.train()
        losses, sizes = [], []
        for batches in zip(*training_batches(self.nets, self._rows), strict=True):
            losses.append(self._step(side_by_side(batches)))
            sizes.append(sum(map(len, batches)))
        self._hand_back()
        for net in self.nets:
            net.record("train", losses, sizes)
        if self._watched is not None:
            self._watch(self._watched)
        self._notify("on_epoch_end")

    def _notify(self, event):
        for net, rows, held in zip(self.nets, self._rows, self._held, strict=True):
            net.notify(event, dataset_train=rows, dataset_valid=held)

    def _watch(self, batch):
        """Note the loss of each net on its held-out rows."""
        self.module.eval()
        with torch.no_grad():
            errors = self._loss_of(batch, self.nets[0].criterion_.error).view(len(self.nets), -1)
        losses = errors.mean(1) if batch.weight is None else (batch.weight * errors).mean(1)
        for net, loss, part in zip(self.nets, losses, self._held, strict=True):
            net.record("valid", [loss], [len(part)])

    def _loss_of(self, batch, loss):
        """What a loss makes of all rows, those of each net below those of the one before."""
        output = self.module(batch.x)
        flat = output._make(None if t is None else t.flatten(0, 1) for t in output)
        return loss(flat, batch.map(lambda t: t.flatten(0, 1)), self.module)

    def _step(self, batch):
        """A step down the sum of the losses; their mean."""
        first = self.nets[0]
        first.before_step(self.optimizer)
        loss = self._loss_of(batch, first.criterion_)
        (loss * len(self.nets)).backward()
        self.optimizer.step()
        first.step_ += 1
        return loss.detach()

    def _hand_back(self):
        """Tell the nets what the stack has come to, beside the weights."""
        first = self.nets[0]
        for net in self.nets:
            net.step_, net.module_.progress = first.step_, first.module_.progress
            net.weights_changed()
        for whole, parts in self._weights:
            for i, (net, part) in enumerate(zip(self.nets, parts, strict=True)):
                net.optimizer_.state[part] = {
                    name: as_alone(value[i], part) if by_weight(name, value) else value
                    for name, value in self.optimizer.state[whole].items()
                }

    def end(self):
        """Give each net weights of its own, at the places where they are."""
        for _, parts in self._weights:
            for part in parts:
                part.data = part.data.clone(memory_format=torch.contiguous_format)


def by_weight(name, value):
    """Whether what an optimizer knows is of each number of a weight, and not of the steps."""
    return name != "step" and isinstance(value, torch.Tensor)


def in_stack(tensor):
    """A tensor of one net as a matrix: a layer's is (n_inputs, n_outputs), others are a row.

    Products with a stack of layers that lies the other way take twice the time.
    """
    return tensor.mT if tensor.dim() == 2 else tensor.view(1, -1)


def as_alone(matrix, part):
    """The same numbers in the shape that they have in a net."""
    return matrix.mT if part.dim() == 2 else matrix.view(part.shape)


class StackedLinear(nn.Module):
    """Layers of the same shape, each for its own rows."""

    def __init__(self, layer):
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x):
        if self.bias is None:
            return torch.bmm(x, self.weight)
        return torch.baddbmm(self.bias, x, self.weight)


def stacked(modules):
    """One module of several: what differs in them has a first axis for them."""
    whole, made = copy.deepcopy(modules[0]), {}

    def put(path, part):
        path, _, name = path.rpartition(".")
        setattr(whole.get_submodule(path), name, part)

    # What stands at several places is one there as well.
    for path, part in list(whole.named_modules(remove_duplicate=False)):
        if type(part) is nn.Linear:
            put(path, made.setdefault(part, StackedLinear(part)))
    known = [module.state_dict(keep_vars=True) for module in modules]
    for path, weight in list(whole.named_parameters(remove_duplicate=False)):
        if weight not in made:
            stack = torch.stack([in_stack(state[path].detach()) for state in known])
            made[weight] = nn.Parameter(stack, requires_grad=weight.requires_grad)
        put(path, made[weight])
    for path, _ in list(whole.named_buffers(remove_duplicate=False)):
        parts = [state[path] for state in known]
        if not all(part.equal(parts[0]) for part in parts[1:]):
            put(path, torch.stack(list(map(in_stack, parts))))
    return whole


def side_by_side(batches):
    """Rows of batches in shape (n_batches, n_rows, n), all batches of the same weight.

    The shorter of them end in rows that count nothing.
    """
    n_rows = max(map(len, batches))

    def joined(parts):
        return torch.stack([padded(part, n_rows) for part in parts])

    x = joined([batch.x for batch in batches])
    target = observed = weight = None
    if any(batch.target is not batch.x for batch in batches):
        target = joined([batch.target for batch in batches])
    if any(batch.observed is not None for batch in batches):
        observed = joined([known(batch) for batch in batches])
    if any(batch.weight is not None or len(batch) < n_rows for batch in batches):
        weight = joined([n_rows / len(batch) * weights(batch) for batch in batches])
    return Batch(x, x if target is None else target, observed, None, weight)


def padded(rows, n_rows):
    """The rows, and rows of zeros after them."""
    missing = n_rows - len(rows)
    return F.pad(rows, (*[0] * (2 * rows.dim() - 1), missing)) if missing else rows


def known(batch):
    """Where the target is known."""
    if batch.observed is not None:
        return batch.observed
    return torch.ones_like(batch.target, dtype=torch.bool)


def weights(batch):
    """What each row counts for."""
    return batch.x.new_ones(len(batch)) if batch.weight is None else batch.weight
