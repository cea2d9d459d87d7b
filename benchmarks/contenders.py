"""The same autoencoder fitted by skae, by hand, and by its peers: who runs in `speed.py`.

Each function returns a function that fits once. All train the same layers with ReLU, at a constant
learning rate, for the same number of epochs and with the same batches; skae and the hand-written
loop with torch's fused AdamW, the others with the optimizer that they come with.
"""

import contextlib
import copy
import importlib.util
import logging
import os
import tempfile
from typing import NamedTuple

import numpy as np
import torch
from sklearn.neural_network import MLPRegressor
from skorch import NeuralNet
from torch import nn
from torch.nn import functional as F

from skae import Autoencoder

LR = 1e-3
WEIGHT_DECAY = 0.1
NEVER = 10**9


class Shape(NamedTuple):
    """A net, and the rows that it is trained on: float32, standardized or nearly so."""

    X: np.ndarray
    hidden: int
    code: int
    batch: int
    epochs: int


def skae(shape, X=None, **parameters):
    """Skae without held-out rows and, unless asked for, without the shortcut."""
    estimator = Autoencoder(
        shape.code,
        hidden_layer_sizes=(shape.hidden,),
        activation="relu",
        lr=LR,
        lr_schedule="constant",
        weight_decay=WEIGHT_DECAY,
        batch_size=shape.batch,
        max_epochs=shape.epochs,
        early_stopping=False,
        n_iter_no_change=NEVER,
        random_state=0,
    ).set_params(**{"shortcut": None, **parameters})
    return lambda: estimator.fit(shape.X if X is None else X)


def bare_net(shape, shortcut=None):
    """The very net that skae trains, before its first step."""
    module = skae(shape, max_epochs=0, shortcut=shortcut)().net_.module_
    return nn.Sequential(module.encoder, module.decoder)


def loop(shape, start):
    """What one would write for this net and nothing else."""

    def fit():
        net = copy.deepcopy(start).train()
        split = {True: [], False: []}
        for name, parameter in net.named_parameters():
            split[".shortcut." in name].append(parameter)
        groups = [{"params": split[False]}]
        if split[True]:  # skae does not decay it either
            groups.append({"params": split[True], "weight_decay": 0.0})
        optimizer = torch.optim.AdamW(groups, lr=LR, weight_decay=WEIGHT_DECAY, fused=True)
        x = torch.from_numpy(shape.X)
        for _ in range(shape.epochs):
            for batch in x[torch.randperm(len(x))].split(shape.batch):
                optimizer.zero_grad()
                F.mse_loss(net(batch), batch).backward()
                optimizer.step()

    return fit


def skorch(shape, start, **parameters):
    """The same net in a `NeuralNet` as it comes: a DataLoader, a history of batches."""

    def fit():
        NeuralNet(
            copy.deepcopy(start),
            nn.MSELoss,
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=WEIGHT_DECAY,
            lr=LR,
            batch_size=shape.batch,
            max_epochs=shape.epochs,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
            **parameters,
        ).fit(shape.X, shape.X)

    return fit


def mlp_regressor(shape):
    """scikit-learn's perceptron, from X to X."""
    estimator = MLPRegressor(
        hidden_layer_sizes=(shape.hidden, shape.code, shape.hidden),
        learning_rate_init=LR,
        batch_size=shape.batch,
        max_iter=shape.epochs,
        n_iter_no_change=NEVER,
    )
    return lambda: estimator.fit(shape.X, shape.X)


def pyod(shape):
    """PyOD's AutoEncoder without what the others do not have: batch norm, dropout, scaling."""
    from pyod.models.auto_encoder import AutoEncoder

    def fit():
        AutoEncoder(
            lr=LR,
            epoch_num=shape.epochs,
            batch_size=shape.batch,
            hidden_neuron_list=[shape.hidden, shape.code],
            batch_norm=False,
            dropout_rate=0,
            preprocessing=False,
            verbose=0,
        ).fit(shape.X)

    return fit


def pythae(shape):
    """Pythae's AE, trained by its `BaseTrainer`."""
    with silence():
        from pythae.data.datasets import BaseDataset
        from pythae.models import AE, AEConfig
        from pythae.models.base.base_utils import ModelOutput
        from pythae.models.nn import BaseDecoder, BaseEncoder
        from pythae.trainers import BaseTrainer, BaseTrainerConfig

    n, hidden, code = shape.X.shape[1], shape.hidden, shape.code

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(n, hidden), nn.ReLU(), nn.Linear(hidden, code))

        def forward(self, x):
            return ModelOutput(embedding=self.net(x))

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, n))

        def forward(self, z):
            return ModelOutput(reconstruction=self.net(z))

    def fit():
        with silence(), tempfile.TemporaryDirectory() as folder:
            x = torch.from_numpy(shape.X)
            settings = BaseTrainerConfig(
                output_dir=folder,
                num_epochs=shape.epochs,
                learning_rate=LR,
                per_device_train_batch_size=shape.batch,
                no_cuda=True,
            )
            model = AE(AEConfig(input_dim=(n,), latent_dim=code), Encoder(), Decoder())
            BaseTrainer(model, BaseDataset(x, x), training_config=settings).train()

    return fit


def peers(shape, net):
    """The peers by name; None where one is not installed."""
    found = {
        "skorch NeuralNet": skorch(shape, net),
        "skorch NeuralNet, fused AdamW": skorch(shape, net, optimizer__fused=True),
    }
    for name, make in {"PyOD AutoEncoder": pyod, "pythae AE": pythae}.items():
        found[name] = make(shape) if importlib.util.find_spec(make.__name__) else None
    return {**found, "MLPRegressor": mlp_regressor(shape)}


@contextlib.contextmanager
def silence():
    """No progress bars and no logs."""
    to_nowhere = contextlib.redirect_stdout, contextlib.redirect_stderr
    with open(os.devnull, "w") as nowhere, to_nowhere[0](nowhere), to_nowhere[1](nowhere):
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
