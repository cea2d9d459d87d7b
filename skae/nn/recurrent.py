"""Recurrent encoders and decoders of flat rows that are sequences, of numbers or of tokens."""

from contextvars import ContextVar
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from .autoencoder import EncoderDecoder
from .context import having
from .layers import ACTIVATIONS, Dropout
from .mlp import MLP
from .randomness import rand_like
from .tracing import is_traced

CELLS = {"gru": nn.GRU, "lstm": nn.LSTM}


class Told(NamedTuple):
    """What recurrent layers know of the rows at hand beside what they are given."""

    lengths: torch.Tensor | None = None  # steps of each row, of shape (n, 1); None: all of them
    shown: torch.Tensor | None = None  # the rows themselves, to a decoder in training


NOTHING = Told()
# Between a module and its recurrent layers may stand layers of any family, which know nothing of
# lengths. Each thread has a context of its own.
TOLD = ContextVar("TOLD", default=NOTHING)


def told(*what):
    """Tell the recurrent layers that are run within."""
    return having(TOLD, Told(*what))


class Steps(NamedTuple):
    """How a flat row is a sequence."""

    n: int
    size: int  # numbers at each step

    def __call__(self, x):
        """Flat rows as sequences of shape (n_rows, n, size)."""
        return x.unflatten(1, (self.n, self.size))

    def inverse(self, steps):
        """Sequences as flat rows. Further parameters of the entries come one after the other."""
        return steps.unflatten(2, (-1, self.size)).transpose(1, 2).flatten(1)


def before(lengths, n_steps):
    """Which steps a row has: a mask of shape (n_rows, n_steps)."""
    return torch.arange(n_steps, device=lengths.device) < lengths


def reversed_steps(steps, lengths=None):
    """The steps of each row in reverse order, and what comes after its end as it is."""
    if lengths is None:
        return steps.flip(1)
    t = torch.arange(steps.shape[1], device=steps.device)
    order = torch.where(t < lengths, lengths - 1 - t, t).long()
    return steps.gather(1, order[..., None].expand_as(steps))


class Past(nn.Module):
    """Hides the last ``horizon`` steps of each row: they are to be predicted."""

    def __init__(self, steps, horizon):
        super().__init__()
        self.steps = steps
        self.horizon = horizon

    def forward(self, x):
        lengths = TOLD.get().lengths
        if lengths is None:
            lengths = x.new_tensor([[self.steps.n]])
        past = before(lengths - self.horizon, self.steps.n).repeat_interleave(self.steps.size, 1)
        n = past.shape[1]
        return torch.cat([torch.where(past, x[:, :n], 0.0), x[:, n:]], dim=1)


class RecurrentEncoder(nn.Module):
    """A recurrent net over the steps of a row, and a perceptron from its last state.

    It stops at the end of each row. What a row has beyond the sequence goes to the perceptron.
    """

    def __init__(self, steps, hidden, n_outputs, n_beside, settings):
        super().__init__()
        self.steps = steps
        self.horizon = settings["horizon"]
        self.embedding, width = embedding(settings, steps.size)
        self.rnn = recurrent(width, settings, settings["bidirectional"])
        n_states = settings["hidden_size"] * (1 + settings["bidirectional"])
        sizes = [n_states + n_beside, *hidden, n_outputs]
        self.perceptron = MLP(sizes, settings["activation"], settings["dropout"])

    @property
    def last(self):
        """The layer that gives the outputs."""
        return self.perceptron.last

    def forward(self, x):
        n = self.steps.n * self.steps.size
        steps, beside = self.steps(x[:, :n])[:, : self.steps.n - self.horizon], x[:, n:]
        if self.embedding is not None:
            steps = self.embedding(steps[..., 0].long())
        lengths = TOLD.get().lengths
        if lengths is not None:
            lengths = (lengths[:, 0] - self.horizon).long()
        return self.perceptron(torch.cat([self._state(steps, lengths), beside], dim=1))

    def _state(self, steps, lengths):
        """The last state of each row."""
        if lengths is not None and is_traced() and not self.rnn.bidirectional:
            states = self.rnn(steps)[0]  # in a graph, those after a row's end are passed over
            last = (lengths - 1)[:, None, None].expand(-1, 1, states.shape[2])
            return states.gather(1, last).squeeze(1)
        if lengths is not None:
            lengths = lengths.cpu()
            steps = pack_padded_sequence(steps, lengths, batch_first=True, enforce_sorted=False)
        _, state = self.rnn(steps)
        state = state[0] if isinstance(state, tuple) else state
        return state[-1 - self.rnn.bidirectional :].transpose(0, 1).flatten(1)


class RecurrentStack(nn.Module):
    """Recurrent layers with `Dropout` between them: torch's own draws from the process."""

    def __init__(self, layers, dropout):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.between = Dropout(dropout)
        self.num_layers, self.input_size = len(layers), layers[0].input_size
        self.bidirectional = layers[0].bidirectional

    def forward(self, steps, state=None):
        """As `nn.GRU` and `nn.LSTM`: what the last layer gives, and the last state of each."""
        states = []
        for i, layer in enumerate(self.layers):
            if i and isinstance(steps, PackedSequence):
                steps = steps._replace(data=self.between(steps.data))
            elif i:
                steps = self.between(steps)
            steps, last = layer(steps, self._of_layer(state, i))
            states.append(last)
        if isinstance(states[0], tuple):
            return steps, tuple(map(torch.cat, zip(*states, strict=True)))
        return steps, torch.cat(states)

    def _of_layer(self, state, i):
        if state is None:
            return None
        n_sides = 1 + self.bidirectional
        own = slice(i * n_sides, (i + 1) * n_sides)
        return tuple(s[own] for s in state) if isinstance(state, tuple) else state[own]


class Unrolled(nn.Module):
    """A recurrent net that starts at a state made of the code, and sees the code at every step."""

    def __init__(self, n_inputs, n_shown, settings):
        super().__init__()
        self.rnn = recurrent(n_inputs + n_shown, settings)
        self.has_cell = settings["cell"] == "lstm"
        self.start = nn.Linear(n_inputs, settings["n_layers"] * settings["hidden_size"])

    def state(self, code):
        """The first state."""
        state = self.start(code).unflatten(1, (self.rnn.num_layers, -1)).transpose(0, 1)
        state = state.contiguous()
        return (state, torch.zeros_like(state)) if self.has_cell else state

    def forward(self, code, n_steps, shown=None):
        """All states of the last layer; ``shown`` is what is known at each step."""
        inputs = code[:, None].expand(-1, n_steps, -1)
        if shown is not None:
            inputs = torch.cat([inputs, shown], dim=2)
        return self.rnn(inputs, self.state(code))[0]

    def free(self, code, n_steps, read, show):
        """What ``read`` makes of each state, given before the next step by ``show``."""
        state, outputs = self.state(code), []
        shown = code.new_zeros(code.shape[0], self.rnn.input_size - code.shape[1])
        for _ in range(n_steps):
            states, state = self.rnn(torch.cat([code, shown], dim=1)[:, None], state)
            outputs.append(read(states[:, 0]))
            shown = show(outputs[-1])
        return torch.stack(outputs, dim=1)


class RecurrentDecoder(nn.Module):
    """Unrolls the code into the steps of a row, and by a net of their own into those to come."""

    def __init__(self, steps, hidden, n_inputs, n_outputs, rebuilds, settings):
        super().__init__()
        self.steps = steps
        self.rebuilds = rebuilds  # the rows that are encoded, so that their lengths are those here
        self.horizon = settings["horizon"]
        self.reverse = settings["reverse"]
        self.teacher_forcing = settings["teacher_forcing"]
        self.perceptron = nn.Identity()
        if hidden:
            self.perceptron = nn.Sequential(
                MLP([n_inputs, *hidden], settings["activation"], settings["dropout"]),
                ACTIVATIONS[settings["activation"]](),
            )
            n_inputs = hidden[-1]
        self.embedding, n_shown = None, 0
        if self.teacher_forcing:
            self.embedding, n_shown = embedding(settings, steps.size)
        self.past = Unrolled(n_inputs, n_shown, settings)
        self.future = Unrolled(n_inputs, n_shown, settings) if self.horizon else None
        self.last = nn.Linear(settings["hidden_size"], n_outputs // steps.n)

    def forward(self, code):
        code = self.perceptron(code)
        lengths, rows = TOLD.get()
        lengths = lengths if self.rebuilds else None
        n_past = self.steps.n - self.horizon
        steps = None
        if self.teacher_forcing and self.training and rows is not None:
            steps = self.steps(rows)
        if self.future is None:
            return self.flat(self._in_order(code, n_past, steps, lengths))
        ends = lengths if lengths is not None else code.new_full((1, 1), self.steps.n)
        ends = (ends - self.horizon).long()  # of the past
        past = self._in_order(code, n_past, steps, None if lengths is None else ends)
        after = (ends + torch.arange(self.horizon, device=code.device)).expand(code.shape[0], -1)
        after = after[..., None]
        if steps is not None:
            steps = steps.gather(1, after.expand(-1, -1, steps.shape[2]))
        future = self._unroll(self.future, code, self.horizon, steps)
        whole = torch.cat([past, torch.zeros_like(future)], dim=1)
        return self.flat(whole.scatter(1, after.expand_as(future), future))

    def flat(self, steps):
        """Sequences as flat rows."""
        return self.steps.inverse(steps)

    def _in_order(self, code, n_steps, steps, lengths):
        """The steps of the past, which may be unrolled from the last to the first."""
        if steps is not None:
            steps = steps[:, :n_steps]
        if not self.reverse:
            return self._unroll(self.past, code, n_steps, steps)
        if steps is not None:
            steps = reversed_steps(steps, lengths)
        unrolled = self._unroll(self.past, code, n_steps, steps)
        return reversed_steps(unrolled, self.ends(unrolled) if lengths is None else lengths)

    def ends(self, unrolled):
        """How many steps come before each row's end, if what is unrolled says it."""

    def _unroll(self, net, code, n_steps, steps):
        if not self.teacher_forcing:
            return self.last(net(code, n_steps))
        if steps is None:
            return net.free(code, n_steps, self.last, self.show)
        shown = self.embed(steps)
        shown = torch.cat([torch.zeros_like(shown[:, :1]), shown[:, :-1]], dim=1)
        if self.teacher_forcing < 1:
            chosen = rand_like(shown[..., :1]) < self.teacher_forcing
            shown = torch.where(chosen, shown, 0.0)
        return self.last(net(code, n_steps, shown))

    def embed(self, steps):
        """Steps as the net is shown them."""
        return steps

    def show(self, step):
        """One that the net has given itself."""
        return step[:, : self.steps.size]


class TokenDecoder(RecurrentDecoder):
    """The same for tokens: it gives a logit for each, the last of which ends the row."""

    def ends(self, unrolled):
        return first_end(unrolled.argmax(-1), unrolled.shape[2] - 1)[:, None]

    def flat(self, steps):
        return steps.flatten(1)

    def embed(self, steps):
        return self.embedding(steps[..., 0].long())

    def show(self, step):
        return self.embedding(step.argmax(-1))


class SequenceEncoderDecoder(EncoderDecoder):
    """Tells both halves the lengths of the rows, and shows them to the decoder in training."""

    def forward(self, x, lengths=None):
        with told(lengths, x if self.training else None):
            return super().forward(x)

    def encode(self, x, lengths=None):
        with told(lengths):
            return super().encode(x)

    def decode(self, code, lengths=None):
        with told(lengths):
            return super().decode(code)


class TokenEncoderDecoder(SequenceEncoderDecoder):
    """The same for tokens: the decoder says itself where a row ends."""

    def decode(self, code, lengths=None):
        logits = self.decoder(code)
        return logits.unflatten(1, (len(self.units.center), -1)).argmax(-1).to(code.dtype)


def first_end(tokens, end):
    """Number of the tokens before the first that ends the row: (n_rows,)."""
    return (tokens == end).cumsum(1).eq(0).sum(1)


def recurrent(width, settings, bidirectional=False):
    """The cells of one net."""
    cell, n_layers = CELLS[settings["cell"]], settings["n_layers"]
    sides = {"batch_first": True, "bidirectional": bidirectional}
    if n_layers == 1 or not settings["dropout"]:
        return cell(width, settings["hidden_size"], n_layers, **sides)
    widths = [width] + [settings["hidden_size"] * (1 + bidirectional)] * (n_layers - 1)
    layers = [cell(n, settings["hidden_size"], **sides) for n in widths]
    return RecurrentStack(layers, settings["dropout"])


def embedding(settings, size):
    """The layer that tokens go through, if they are tokens, and the width of a step behind it."""
    if settings["n_tokens"] is None:
        return None, size
    return nn.Embedding(settings["n_tokens"], settings["embedding_size"]), settings[
        "embedding_size"
    ]
