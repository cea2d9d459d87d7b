"""Seconds of skae against a hand-written torch loop, skorch, PyOD, pythae and scikit-learn.

Run ``python benchmarks/speed.py``; with ``--data DIR`` the wide table is MNIST, else random rows of
low rank. Contenders take turns, so that a busy machine slows all alike, and each round gives one
ratio: the tables show the median and the range. Even so, run it on an idle machine: whatever uses
two threads waits for the one whose core is taken. ``--cpu-time`` is for a machine that is not idle:
it counts processor time instead, all of it on one thread.
"""

import math
import os
import subprocess
import sys
import time
import warnings
from typing import NamedTuple

import numpy as np
import torch
from contenders import NEVER, Shape, bare_net, loop, peers, skae
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from tables import bundled, mnist, parser
from threadpoolctl import threadpool_limits

from skae import Autoencoder

QUALITY = 0.6  # of PCA's held-out error
clock = time.perf_counter


# -- measuring and printing -----------------------------------------------------------------------


def race(contenders, rounds, clock=None):
    """Seconds by contender and round; the contenders take turns."""
    clock = clock or globals()["clock"]
    seconds = {name: [] for name in contenders}
    for _ in range(rounds + (rounds > 1)):  # the first turn of several only warms up
        for name, run in contenders.items():
            start = clock()
            run()
            seconds[name].append(clock() - start)
    return {name: np.array(values[-rounds:]) for name, values in seconds.items()}


def on(n_threads, run):
    """``run``, on so many threads of torch and of BLAS."""

    def limited():
        before = torch.get_num_threads()
        with threadpool_limits(n_threads):
            torch.set_num_threads(n_threads)
            try:
                run()
            finally:
                torch.set_num_threads(before)

    return limited


class Row(NamedTuple):
    """A line of a table: a value for each round, and the bar that their median has to meet."""

    name: str
    values: np.ndarray | list = ()
    at_most: float = math.inf
    at_least: float = -math.inf
    note: str = ""

    def __str__(self):
        """The line as it is printed."""
        if not len(self.values):
            return f"{self.name:52s} {self.note}"
        line = f"{self.name:52s} {np.median(self.values):8.3g} "
        line += f"{np.min(self.values):8.3g} - {np.max(self.values):<8.3g}"
        if math.isfinite(self.at_most):
            line += f" <= {self.at_most:<6g}"
        if math.isfinite(self.at_least):
            line += f" >= {self.at_least:<6g}"
        if math.isinf(self.at_most) and math.isinf(self.at_least):
            return line
        if len(self.values) == 1:
            return line + "one round"
        met = self.at_least <= np.median(self.values) <= self.at_most
        return line + ("met" if met else "MISSED")


def show(title, rows):
    """Print a table under its title, with the load of the machine where it can be had."""
    load = f" (load {os.getloadavg()[0]:.1f})" if hasattr(os, "getloadavg") else ""
    print(f"\n{title}{load}\n{'':52s} {'median':>8s} {'range':^19s} bar")
    print(*rows, sep="\n", flush=True)


# -- 3. fit ---------------------------------------------------------------------------------------


def fit_time(title, shape, rounds, loop_bar, peer_bar):
    """Seconds of `fit` at equal steps."""
    net, full_net = bare_net(shape), bare_net(shape, shortcut="pca")
    n_threads = torch.get_num_threads()
    loops = {n: on(n, loop(shape, net)) for n in sorted({1, n_threads})}
    # The peers get the number of threads that suits the net; skae has to find it itself.
    trial = {n: np.median(values) for n, values in race(loops, min(rounds, 3)).items()}
    n = min(trial, key=trial.get)
    loops = {n: run for n, run in loops.items() if trial[n] < 1.5 * min(trial.values())}
    others = {name: on(n, fit) for name, fit in peers(shape, net).items() if fit is not None}
    contenders = {
        "skae": skae(shape),
        **{f"loop, {n} threads": run for n, run in loops.items()},
        **others,
        "skae with shortcut": skae(shape, shortcut="pca"),
        "loop with shortcut": on(n, loop(shape, full_net)),
    }
    if n_threads > 1 and 1 in loops:
        contenders["skae, 1 threads"] = on(1, skae(shape))
    seconds = race(contenders, rounds)
    best = np.min([seconds[f"loop, {n} threads"] for n in loops], axis=0)
    rows = [Row("skae / better hand-written loop", seconds["skae"] / best, loop_bar)]
    if "skae, 1 threads" in seconds:
        alone = seconds["skae, 1 threads"] / seconds["loop, 1 threads"]
        rows.append(Row("skae / hand-written loop, both on one thread", alone))
    whole = seconds["skae with shortcut"] / seconds["loop with shortcut"]
    rows.append(Row("skae with PCA and shortcut / loop, PCA done before", whole))
    for name in peers(shape, net):
        if name not in others:
            rows.append(Row(f"skae / {name}", note="not installed"))
            continue
        barred = name in ("skorch NeuralNet", "PyOD AutoEncoder", "pythae AE")
        bar = peer_bar if barred else math.inf
        rows.append(Row(f"skae / {name}", seconds["skae"] / seconds[name], bar))
    rows += [Row(f"   seconds: {name}", values) for name, values in seconds.items()]
    steps = shape.epochs * math.ceil(len(shape.X) / shape.batch)
    show(f"3. fit, {title}, {steps} steps, peers on {n} threads", rows)


# -- 3. time to quality ---------------------------------------------------------------------------


class HeldOutError(Callback):
    """Held-out error after each epoch, and the seconds until then, looking not counted."""

    def __init__(self, x):
        self.x = x

    def start(self):
        """Start the clock."""
        self.begun, self.seconds, self.errors = clock(), [], []

    def on_epoch_end(self, net, **kwargs):
        """Stop the clock, look, and let it go on."""
        now = clock()
        self.seconds.append(now - self.begun)
        net.module_.eval()
        with torch.no_grad():
            x_hat = net.module_.decode(net.module_.encode(self.x))
        self.errors.append(squared_error(self.x.numpy(), x_hat.numpy()))
        self.begun += clock() - now


def squared_error(x, x_hat):
    """Mean squared error of a row."""
    return float(np.mean(np.sum((x - x_hat) ** 2, axis=1)))


def train_mlp(train, test, target, cap, activation, lr):
    """Train a perceptron of skae's default widths to the target: seconds, and the least error."""
    net = MLPRegressor(
        hidden_layer_sizes=(256, 128, 8, 128, 256),
        activation=activation,
        learning_rate_init=lr,
        batch_size=len(train) // 8,  # as skae's default
        random_state=0,
    )
    seconds, least = 0.0, math.inf
    while seconds < cap and least > target:
        start = clock()
        net.partial_fit(train, train)  # one epoch
        seconds += clock() - start
        least = min(least, squared_error(test, net.predict(test)))
    return (seconds if least <= target else math.inf), least


def time_to_quality(rounds, cap, settings):
    """Seconds until the held-out error on digits, code size 8, is 0.6 of PCA's."""
    train, test = train_test_split(bundled("digits"), test_size=0.25, random_state=0)
    scaler = StandardScaler().fit(train)
    train, test = (scaler.transform(part).astype(np.float32) for part in (train, test))
    pca = PCA(8).fit(train)
    pca_error = squared_error(test, pca.inverse_transform(pca.transform(test)))
    target = QUALITY * pca_error
    watch = HeldOutError(torch.from_numpy(test))
    watched = Autoencoder(8, early_stopping=False, n_iter_no_change=NEVER, callbacks=[watch])
    whole, ratios, first = [], [], []
    for seed in range(rounds):
        ae = Autoencoder(8, random_state=seed)
        start = clock()
        ae.fit(train)
        whole.append(clock() - start)
        ratios.append(squared_error(test, ae.inverse_transform(ae.transform(test))) / pca_error)
        watch.start()
        watched.set_params(random_state=seed).fit(train)
        curve = zip(watch.seconds, watch.errors, strict=True)
        first.append(next((seconds for seconds, error in curve if error <= target), math.inf))
    rows = [
        Row("skae, default fit: its error / PCA's", ratios, QUALITY),
        Row("skae, default fit: seconds, to its end", whole),
        Row("skae, nothing held out: seconds to 0.6 of PCA's", first),
    ]
    fastest = math.inf
    for activation, lr in settings:
        seconds, least = train_mlp(train, test, target, cap, activation, lr)
        fastest = min(fastest, seconds)
        when = f"not there in {cap} s" if math.isinf(seconds) else f"there after {seconds:.1f} s"
        note = f"{when}, {least / pca_error:.3f} of PCA's at best"
        rows.append(Row(f"MLPRegressor, {activation}, learning rate {lr:g}", note=note))
    if math.isinf(fastest):
        rows.append(Row("skae / the fastest MLPRegressor", note="met: the latter never is there"))
    else:
        # Both are stopped where they reach it, by somebody who sees the held-out rows.
        rows.append(Row("skae / the fastest MLPRegressor", np.array(first) / fastest, 1.0))
    show("3. time to 0.6 of PCA's held-out error, digits, code size 8", rows)


# -- 4. transform and import ----------------------------------------------------------------------


def inference(rounds, calls):
    """`transform` of many rows and of one row, and what the import costs."""
    X = np.random.default_rng(0).standard_normal((100_000, 64), dtype=np.float32)
    ae = Autoencoder(8, max_epochs=1, early_stopping=False, random_state=0).fit(X[:1000])
    module = ae.net_.module_.eval()
    sizes = []
    hook = module.encoder.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    ae.transform(X)
    hook.remove()

    def forward():
        with torch.inference_mode():
            for x in torch.from_numpy(X).split(sizes):
                module.encode(x)

    row = X[:1].astype(float)
    pca = PCA(8).fit(X[:1000].astype(float))

    def repeat(method):
        return lambda: [method(row) for _ in range(calls)]

    many = race({"skae": lambda: ae.transform(X), "bare module": forward}, rounds)
    one = race({"skae": repeat(ae.transform), "PCA": repeat(pca.transform)}, rounds)
    many_rows = many["skae"] / many["bare module"]
    rows = [
        Row("transform of 100 000 x 64 float32 / bare module", many_rows, 1.2),
        Row("transform of one float64 row / PCA's", one["skae"] / one["PCA"], 3.0),
        Row("import skae, s beyond torch, sklearn and skorch", import_seconds(rounds), 0.3),
        *(Row(f"   ms, 100 000 rows: {name}", 1e3 * values) for name, values in many.items()),
        *(Row(f"   ms, one row: {name}", 1e3 * values / calls) for name, values in one.items()),
    ]
    show("4. transform and import", rows)


def import_seconds(rounds):
    """Seconds of ``import skae`` in a new process that has imported what it builds on."""
    code = (
        "import sklearn, skorch, time, torch\n"
        "start = time.perf_counter()\n"
        "import skae\n"
        "print(time.perf_counter() - start)"
    )
    command = [sys.executable, "-c", code]
    runs = [subprocess.run(command, capture_output=True, check=True) for _ in range(rounds)]
    return [float(run.stdout) for run in runs]


# -- 5. search ------------------------------------------------------------------------------------


def search(rounds, sizes, n_folds, max_epochs):
    """A grid search over the code size, in one process and in two."""
    X, y = load_digits(return_X_y=True)
    autoencoder = Autoencoder(random_state=0, max_epochs=max_epochs)
    pipeline = make_pipeline(StandardScaler(), autoencoder, LogisticRegression(max_iter=1000))

    def run(n_jobs):
        grid = {"autoencoder__code_size": sizes}
        return lambda: GridSearchCV(pipeline, grid, cv=n_folds, n_jobs=n_jobs).fit(X, y)

    # Processor time would not see the workers.
    seconds = race({n: run(n) for n in (1, 2)}, rounds, time.perf_counter)
    rows = [
        Row("n_jobs=1 / n_jobs=2", seconds[1] / seconds[2], at_least=1.6),
        *(Row(f"   seconds: n_jobs={n}", values) for n, values in seconds.items()),
    ]
    show(f"5. GridSearchCV, {len(sizes)} code sizes x {n_folds} folds of digits", rows)


# -- 6. precision ---------------------------------------------------------------------------------


def precision(shapes, rounds):
    """Seconds of `fit` of float64 rows against float32."""
    rows = []
    for title, shape in shapes.items():
        single, double = skae(shape), skae(shape, shape.X.astype(np.float64))
        seconds = race({"float32": single, "float64": double}, rounds)
        rows.append(Row(title, seconds["float64"] / seconds["float32"], 1.1))
    show("6. fit of float64 / fit of float32", rows)


def wide_rows(folder, n_rows):
    """MNIST, or random rows of its shape and of low rank."""
    if folder is not None:
        return "MNIST", mnist(folder, n_rows)
    rng = np.random.default_rng(0)
    return "random", rng.normal(size=(n_rows, 32)) @ rng.normal(size=(32, 784)) / 32**0.5


def main():
    """Run from the command line."""
    global clock
    options = parser(__doc__)
    parts = "fit", "quality", "inference", "search", "precision"
    options.add_argument("--parts", default=",".join(parts), help="some of %(default)s")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--cpu-time", action="store_true", help="for a machine that is not idle")
    arguments = options.parse_args()
    quick, rounds = arguments.quick, 1 if arguments.quick else arguments.rounds
    parts = arguments.parts.split(",")
    warnings.simplefilter("ignore", ConvergenceWarning)  # whoever ends at max_epochs gives one
    if arguments.cpu_time:
        clock = time.process_time
        threadpool_limits(1)
        torch.set_num_threads(1)
    digits = StandardScaler().fit_transform(bundled("digits")).astype(np.float32)
    name, wide = wide_rows(arguments.data, 1000 if quick else 10_000)
    shapes = {
        "digits 64-32-8-32-64": Shape(digits, 32, 8, 32, 2 if quick else 20),
        f"{name} 784-256-32-256-784": Shape(
            wide.astype(np.float32), 256, 32, 256, 2 if quick else 10
        ),
    }
    kind = "processor time" if arguments.cpu_time else "wall clock"
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, ")
    print(f"{kind}, {rounds} rounds")
    if "fit" in parts:
        for (title, shape), bars in zip(shapes.items(), ((1.1, 0.55), (1.05, 0.65)), strict=True):
            fit_time(title, shape, rounds, *bars)
    if "quality" in parts:
        settings = [(activation, lr) for activation in ("relu", "tanh") for lr in (1e-3, 3e-3)]
        time_to_quality(rounds, *((1, settings[:1]) if quick else (20, settings)))
    if "inference" in parts:
        inference(rounds, calls=20 if quick else 300)
    if "search" in parts:  # it takes a minute: fewer rounds
        grid = ([2, 4], 2, 2) if quick else ([2, 4, 8, 16], 5, "auto")
        search(min(rounds, 3), *grid)
    if "precision" in parts:
        precision(shapes, rounds)


if __name__ == "__main__":
    main()
