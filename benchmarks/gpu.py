"""On a GPU: a step beside hand-written loops, PyOD and plain skorch; and what ten minutes give.

Parts: "step" (a million random rows of 784 columns that lie on the GPU), "mnist" (squared error of
an image at 30 numbers, beside 2.65 of a net of 500 epochs), "cifar" (a linear probe on masked codes
of CIFAR-10). Without a GPU: the same on the CPU, with ``--quick`` alone.
"""

import importlib.util
import math
import time
import warnings

import numpy as np
import torch
from contenders import LR, WEIGHT_DECAY, Shape, bare_net, skae
from sklearn.exceptions import ConvergenceWarning
from skorch import NeuralNet
from tables import fixed, mnist, mnist_test, parser, probe_error
from torch import nn
from torch.nn import functional as F

from skae import Autoencoder, MaskedAutoencoder

PARTS = ("step", "mnist", "cifar")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def synchronize():
    """Wait for what the device was told to do."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def per_step(run, few, many, steps_per_epoch):
    """Seconds of a step: what more epochs take beyond fewer."""
    seconds = []
    for epochs in (few, few, many):  # the first warms up
        synchronize()
        start = time.perf_counter()
        run(epochs)
        synchronize()
        seconds.append(time.perf_counter() - start)
    return (seconds[2] - seconds[1]) / (many - few) / steps_per_epoch


def by_skae(shape):
    """`fit` on the device."""
    return lambda epochs: skae(shape, max_epochs=epochs, device=DEVICE)()


def by_hand(shape, start, graph):
    """A loop over rows on the device; its step as a CUDA graph, or not."""

    def fit(epochs):
        net = start.to(DEVICE).train()
        x = torch.from_numpy(shape.X).to(DEVICE)
        settings = {"lr": LR, "weight_decay": WEIGHT_DECAY, "fused": True}
        optimizer = torch.optim.AdamW(net.parameters(), **settings, capturable=graph)
        static = x[: shape.batch].clone()

        def step():
            optimizer.zero_grad(set_to_none=not graph)
            loss = F.mse_loss(net(static), static)
            loss.backward()
            optimizer.step()

        if graph:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):
                    step()
            torch.cuda.current_stream().wait_stream(side)
            captured = torch.cuda.CUDAGraph()
            with torch.cuda.graph(captured):
                step()
            step = captured.replay
        for _ in range(epochs):
            order = torch.randperm(len(x), device=DEVICE)
            for index in order.split(shape.batch):
                if len(index) == shape.batch:
                    torch.index_select(x, 0, index, out=static)
                    step()

    return fit


def by_skorch(shape, start):
    """The same net in a `NeuralNet` as it comes, on the device."""

    def fit(epochs):
        NeuralNet(
            start,
            nn.MSELoss,
            optimizer=torch.optim.AdamW,
            lr=LR,
            batch_size=shape.batch,
            max_epochs=epochs,
            iterator_train__shuffle=True,
            train_split=None,
            device=DEVICE,
            verbose=0,
        ).fit(shape.X, shape.X)

    return fit


def by_pyod(shape):
    """PyOD's AutoEncoder, which takes a GPU by itself where there is one."""
    from pyod.models.auto_encoder import AutoEncoder

    def fit(epochs):
        AutoEncoder(
            lr=LR,
            epoch_num=epochs,
            batch_size=shape.batch,
            hidden_neuron_list=[shape.hidden, shape.code],
            batch_norm=False,
            dropout_rate=0,
            preprocessing=False,
            verbose=0,
        ).fit(shape.X)

    return fit


def step(options):
    """Milliseconds of a step, and how much more than skae's the others take."""
    n_rows = 2_000 if options.quick else 1_000_000
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, 16), dtype=np.float32)
    X = np.tanh(X @ rng.standard_normal((16, 784), dtype=np.float32) / 4)
    for batch in (256, 4096):
        shape = Shape(X, 256, 32, batch, 1)
        few = Shape(X[: min(n_rows, 100_000)], 256, 32, batch, 1)  # where rows come one by one
        steps, steps_of_few = math.ceil(n_rows / batch), math.ceil(len(few.X) / batch)
        net = bare_net(Shape(X[:1000], 256, 32, batch, 1))
        found = {
            "skae": per_step(by_skae(shape), 1, 3, steps),
            "loop": per_step(by_hand(shape, net, False), 1, 3, steps),
        }
        if DEVICE == "cuda":
            found["loop, CUDA graph"] = per_step(by_hand(shape, net, True), 1, 3, steps)
        found["plain skorch"] = per_step(by_skorch(few, net.cpu()), 1, 2, steps_of_few)
        if importlib.util.find_spec("pyod"):
            found["PyOD"] = per_step(by_pyod(few), 1, 2, steps_of_few)
        print(f"\n{n_rows} rows x 784, 784-256-32-256-784, batches of {batch}, on {DEVICE}")
        for name, seconds in found.items():
            share = seconds / found["skae"]
            print(f"{name:18s} {1e3 * seconds:8.3f} ms a step, {share:6.2f} of skae's", flush=True)


def of_mnist(options):
    """Squared error of a test image by a code of 30 numbers."""
    if options.data is None:
        print("\nmnist: needs --data")
        return
    n_rows, epochs = (1000, 2) if options.quick else (60_000, options.epochs)
    train = mnist(options.data, n_rows).astype(np.float32)
    test = mnist_test(options.data).astype(np.float32)
    settings = {"hidden_layer_sizes": (2048, 1024, 512), "batch_size": 512, "weight_decay": 0.01}
    start = time.perf_counter()
    autoencoder = Autoencoder(30, **settings, **fixed(epochs), device=DEVICE).fit(train)
    seconds = time.perf_counter() - start
    error = ((autoencoder.reconstruct(test) - test) ** 2).sum(axis=1).mean()
    print(
        f"\nMNIST, 784-2048-1024-512-30, {epochs} epochs: {error:.2f} an image of the test set, "
        f"{seconds:.0f} s on {DEVICE}",
        flush=True,
    )


def cifar(options):
    """A linear probe on the codes of the masked family."""
    if options.data is None:
        print("\ncifar: needs --data")
        return
    file = np.load(options.data / "cifar10_subset.npz")
    train, test = (file[f"X_{part}"].astype(np.float32) / 255 for part in ("train", "test"))
    y, y_test = file["y_train"], file["y_test"]
    epochs = options.epochs
    if options.quick:
        train, y, test, y_test, epochs = train[:40], y[:40], test[:40], y_test[:40], 1
    settings = {"patch_size": 8 if options.quick else 4, "batch_size": 256, "device": DEVICE}
    for n in (epochs, 0):
        start = time.perf_counter()
        masked = MaskedAutoencoder(192, **settings, **fixed(n)).fit(train)
        seconds = time.perf_counter() - start
        error = probe_error(masked.transform(train), y, masked.transform(test), y_test)
        print(
            f"CIFAR-10, {len(train)} images, {n} epochs: probe {1 - error:.2%}, {seconds:.0f} s",
            flush=True,
        )


def main():
    """Run from the command line."""
    options = parser(__doc__)
    options.add_argument("--part", choices=PARTS)
    options.add_argument("--epochs", type=int, default=100)
    options = options.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if DEVICE == "cpu" and not options.quick:
        raise SystemExit("There is no GPU here: use --quick to try the code on the CPU.")
    run = {"step": step, "mnist": of_mnist, "cifar": cifar}
    for part in [options.part] if options.part else PARTS:
        run[part](options)


if __name__ == "__main__":
    main()
