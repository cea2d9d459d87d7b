"""What stands behind an encoder that learns from labels, and the slow copy that follows it."""

import copy

import torch
from torch import nn

from .mlp import MLP

# The share of the slow copy that one step leaves as it was, at most.
DECAY = 0.99
STEPS_OF_START = 10  # before which it follows faster


class Head(nn.Module):
    """Linear, and beside it a perceptron that is silent at the start.

    What it is given is standardized first, by a center and a scale for each number.
    """

    def __init__(self, center, scale, hidden_layer_sizes, n_outputs):
        super().__init__()
        self.register_buffer("center", center)
        self.register_buffer("scale", scale)
        self.linear = nn.Linear(len(center), n_outputs)
        self.path = None
        if len(hidden_layer_sizes):
            self.path = MLP([len(center), *hidden_layer_sizes, n_outputs])
            nn.init.zeros_(self.path.last.weight)
            nn.init.zeros_(self.path.last.bias)

    def forward(self, features):
        features = (features - self.center) / self.scale
        outputs = self.linear(features)
        return outputs if self.path is None else outputs + self.path(features)

    @torch.no_grad()
    def start_at(self, weight, bias):
        """Start at a linear model of standardized features."""
        set_layer(self.linear, weight, bias)

    @torch.no_grad()
    def start_at_layers(self, *layers):
        """Start at a perceptron, weights and biases, with nothing beside it."""
        set_layer(self.linear, 0.0, 0.0)
        for layer, maps in zip(self.layers, layers, strict=True):
            set_layer(layer, *maps)

    @property
    def layers(self):
        """The linear layers of the perceptron, first to last."""
        return [] if self.path is None else [m for m in self.path if isinstance(m, nn.Linear)]


def set_layer(layer, weight, bias):
    """Let a linear layer have this weight and bias."""
    layer.weight.copy_(torch.as_tensor(weight))
    layer.bias.copy_(torch.as_tensor(bias))


class Predictor(nn.Module):
    """A head over the codes of an autoencoder, and over the rows themselves if it is told them."""

    def __init__(self, autoencoder, head, sees_rows):
        super().__init__()
        self.autoencoder = autoencoder
        self.head = head
        self.sees_rows = sees_rows

    def forward(self, x, *beside):
        """Outputs of standardized rows."""
        code = self.autoencoder.encode(self.autoencoder.units.inverse(x), *beside)
        return self.of_code(code, x)

    def of_code(self, code, x):
        """Outputs of codes, and of the standardized rows that they are of."""
        code = code.flatten(1).to(x.dtype)
        return self.head(torch.cat([code, x], dim=1) if self.sees_rows else code)

    def of_output(self, output, x, *beside):
        """Outputs of what the autoencoder gave in training: under its own noise.

        Where that code is not of the kind that `encode` gives, the rows are encoded anew.
        """
        n_codes = len(self.head.center) - (x.shape[1] if self.sees_rows else 0)
        if output.code.dim() == 2 and output.code.shape[1] == n_codes:
            return self.of_code(output.code, x)
        return self(x, *beside)


class Followed(nn.Module):
    """A predictor that learns, and a slow copy of it that answers.

    The copy is the exponential average of the weights over the steps.
    """

    progress = 1.0
    settled = 0.0

    def __init__(self, learner):
        super().__init__()
        self.learner = learner
        self.average = copy.deepcopy(learner).requires_grad_(False).eval()

    def train(self, mode=True):
        super().train(mode)
        self.average.eval()
        return self

    def forward(self, *inputs):
        return self.learner(*inputs) if self.training else self.average(*inputs)

    @torch.no_grad()
    def follow(self, step):
        """Let the copy move towards the learner."""
        share = 1 - min(DECAY, step / (step + STEPS_OF_START))
        learned = dict(self.learner.named_parameters())
        for name, slow in self.average.named_parameters():
            if learned[name].requires_grad:
                slow.lerp_(learned[name], share)
        for slow, fast in zip(self.average.buffers(), self.learner.buffers(), strict=True):
            slow.copy_(fast)
