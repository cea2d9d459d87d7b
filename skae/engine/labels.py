"""Training on labels and on rows without: the batches, the objective, the net."""

import math
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn import functional as F

from ..nn.randomness import generator, randn
from .batches import Batch
from .net import AutoencoderNet, n_inference_steps
from .ranks import ALONE

# The direction in which a row is moved is found by a step of this share of its own length.
PROBE = 0.01
# Shares of classes among pseudo-labels are drawn half the way to those among labels.
ALIGNMENT = 0.5
MEMORY = 0.95  # of the shares so far
UNLABELED_BATCH = 128
LARGEST_BATCH, SMALLEST_BATCH = 32, 8
BATCHES_OF_FEW = 4


@dataclass
class LabeledRows:
    """Rows with labels, the weights of these, and all rows to learn from without them.

    ``rows`` is None where all are labeled.
    """

    batch: Batch
    labels: torch.Tensor
    weight: torch.Tensor
    rows: Batch | None = None

    @property
    def x(self):
        """The labeled rows."""
        return self.batch.x

    @property
    def inputs(self):
        """What a module is given."""
        return self.batch.inputs

    def __len__(self):
        return len(self.batch)

    def take(self, index):
        """Labeled rows of these numbers, with no others."""
        index = torch.as_tensor(index, device=self.labels.device)
        return LabeledRows(self.batch.take(index), self.labels[index], self.weight[index])

    @property
    def everywhere(self):
        """All rows that there are to rebuild."""
        return self.batch if self.rows is None else self.rows

    def sizes(self):
        """Rows of a step: with labels, and of all."""
        if self.rows is None:
            size = max(SMALLEST_BATCH, min(len(self) // BATCHES_OF_FEW, UNLABELED_BATCH))
            return min(len(self), size), None
        return min(len(self), LARGEST_BATCH), min(len(self.rows), UNLABELED_BATCH)


class LabeledBatches:
    """So many steps, each of some labeled rows and some of all, both in random order.

    Labeled rows come again before the epoch is over, if they are few.
    """

    def __init__(self, dataset, n_batches):
        self.dataset = dataset
        self.n_batches = n_batches

    def __len__(self):
        return self.n_batches

    def __iter__(self):
        n_labeled, n_rows = self.dataset.sizes()
        labeled = in_turns(len(self.dataset), n_labeled, self.n_batches)
        if n_rows is None:
            yield from (self.dataset.take(index) for index in labeled)
            return
        for index, of_rows in zip(
            labeled, in_turns(len(self.dataset.rows), n_rows, self.n_batches), strict=True
        ):
            yield replace(self.dataset.take(index), rows=self.dataset.rows.take(of_rows))


def in_turns(n, size, times):
    """So many times ``size`` of the numbers below ``n``, each before any comes again."""
    made_by = generator(torch.device("cpu"))
    n_orders = math.ceil(size * times / n)
    order = torch.cat([torch.randperm(n, generator=made_by) for _ in range(n_orders)])
    return order[: size * times].split(size)


class Classes:
    """Labels are numbers of classes, and outputs logits.

    Parameters
    ----------
    shares : tensor of shape (n_classes,)
        Of the classes among the labels.
    confidence : float
        The probability above which the class that the slow copy says is taken for a label.
    """

    def __init__(self, shares, confidence):
        self.shares = shares
        self.confidence = confidence
        self.seen = shares.clone()

    def loss(self, outputs, labels):
        """The cross-entropy of each row."""
        return F.cross_entropy(outputs, labels, reduction="none")

    def error(self, outputs, labels):
        """The mean of the Brier score and of whether the class is wrong.

        Both are bounded, so that few rows can be averaged. The first is smooth, but nets are more
        sure of themselves the longer they train, be they better or worse.
        """
        hits = F.one_hot(labels, outputs.shape[1])
        brier = (outputs.softmax(1) - hits).square().sum(1)
        return (brier + (outputs.argmax(1) != labels)) / 2

    def distance(self, outputs, moved):
        """How far predictions have moved, from the first to the second: KL, mean over rows."""
        log_p = outputs.log_softmax(1)
        return (log_p.exp() * (log_p - moved.log_softmax(1))).sum(1).mean()

    def agreement(self, outputs, taught):
        """The cross-entropy to the class that the slow copy is sure of, over all rows.

        Without an eye on how often each class is said, one of them may swallow the others.
        """
        p = taught.softmax(1)
        self.seen = MEMORY * self.seen + (1 - MEMORY) * p.mean(0)
        p = p * (self.shares / self.seen.clamp(min=1e-6)) ** ALIGNMENT
        sure, said = (p / p.sum(1, keepdim=True)).max(1)
        return (self.loss(outputs, said) * (sure > self.confidence)).mean()


class Numbers:
    """Labels are numbers in units of their standard deviation, and so are outputs."""

    def loss(self, outputs, labels):
        """The squared error of each row."""
        return (outputs[:, 0] - labels).square()

    error = loss

    def distance(self, outputs, moved):
        """The squared distance of predictions, mean over rows."""
        return (outputs - moved).square().mean()

    def agreement(self, outputs, taught):
        """The squared distance from what the slow copy says."""
        return self.distance(outputs, taught)


class LabelObjective(nn.Module):
    """``labels + w * rebuilding + agreement + smoothness``, each a mean over the rows of a step.

    The loss of labeled rows; the autoencoder's own objective; the loss of predictions under the
    autoencoder's noise to those of the slow copy without; and how far predictions move when rows
    are moved by ``radius`` in the direction that moves them most (virtual adversarial training,
    Miyato et al., 2018).
    """

    def __init__(self, task, objective, reconstruction_weight, agrees, radius):
        super().__init__()
        self.task = task
        self.objective = objective
        self.reconstruction_weight = reconstruction_weight
        self.agrees = agrees
        self.radius = radius

    def error(self, output, batch, module):
        """What held-out rows are judged by, row by row."""
        return self.task.error(output, batch.labels)

    def margin(self, loss, tol):
        """By how much a loss must fall below this one to count as lower."""
        return tol * loss

    def forward(self, output, batch, module):
        if not module.training:
            return (self.error(output, batch, module) * batch.weight).mean()
        learner, rows = module.learner, batch.everywhere
        loss = (self.task.loss(output, batch.labels) * batch.weight).mean()
        agrees = self.agrees and batch.rows is not None
        if self.reconstruction_weight or agrees:
            rebuilt = learner.autoencoder(*rows.inputs)
        if self.reconstruction_weight:
            error = self.objective(rebuilt, rows, learner.autoencoder)
            loss = loss + self.reconstruction_weight * error
        if agrees:
            with torch.no_grad():
                taught = module.average(*rows.inputs)
            outputs = learner.of_output(rebuilt, *rows.inputs)
            loss = loss + self.task.agreement(outputs, taught)
        if self.radius:
            both = rows if batch.rows is None else joined(batch.batch, rows)
            loss = loss + self.smoothness(learner, *both.inputs)
        return loss

    def smoothness(self, learner, x, *beside):
        """How far predictions move in the direction that moves them most."""
        learner.eval()  # rows are moved on purpose, not by noise
        with without_cudnn(learner):
            length = math.sqrt(x[0].numel())
            with torch.no_grad():
                outputs = learner(x, *beside)
            probe = unit(randn(x.shape, x)).mul_(PROBE * length).requires_grad_()
            moved = self.task.distance(outputs, learner(x + probe, *beside))
            (gradient,) = torch.autograd.grad(moved, probe)
            step = unit(gradient) * (self.radius * length)
            distance = self.task.distance(outputs, learner(x + step, *beside))
        learner.train()
        return distance


def unit(x):
    """Rows of length one; of length zero where there is no direction."""
    largest = x.abs().amax(1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
    return F.normalize(x / largest, dim=1)


def without_cudnn(module):
    """Its recurrent layers have no gradient in evaluation; those of torch do."""
    if any(isinstance(m, nn.RNNBase) for m in module.modules()):
        return torch.backends.cudnn.flags(enabled=False)
    return nullcontext()


def joined(*batches):
    """The rows of several batches, as what a module is given."""
    x = torch.cat([batch.x for batch in batches])
    condition = None
    if batches[0].condition is not None:
        condition = torch.cat([batch.condition for batch in batches])
    return Batch(x, x, None, condition)


class LabelNet(AutoencoderNet):
    """Trains a `Followed` predictor on `LabeledRows`."""

    def get_iterator(self, dataset, training=False):
        if training:
            return LabeledBatches(dataset, self.n_batches)
        parts = torch.arange(len(dataset)).tensor_split(n_inference_steps(dataset.x))
        return [dataset.take(part) for part in parts]

    def train_step(self, batch, ranks=ALONE):
        step = super().train_step(batch, ranks)
        self.module_.follow(self.step_)
        return step
