"""Sequences: anomalies, codes, names and forecasts by `SequenceAutoencoder`, and its time.

``python benchmarks/sequences.py --data DIR`` runs all parts: heart beats (ECG5000), codes of
vowels, power demand and gestures, names by their letters, forecasts of taxi rides, and an epoch
against a torch loop with the same cells. Without data it runs all but the names, on made-up waves.
"""

import time
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import parser
from torch import nn
from torch.nn import functional as F

from skae import Autoencoder, SequenceAutoencoder

LETTERS = "abcdefghijklmnopqrstuvwxyz"
DAY, WEEK = 48, 336  # half hours


def waves(n, t, d, seed, classes=2, unequal=False):
    """Made-up sequences: waves of which the class is the frequency; NaN after the end of each."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    phase, speed = rng.uniform(0, 2, (n, 1, 1)), (0.2 + 0.15 * y)[:, None, None]
    X = np.sin(phase + speed * np.arange(t)[:, None] + np.arange(d)) + 0.1 * rng.normal(
        size=(n, t, d)
    )
    if unequal:
        X[np.arange(t) >= rng.integers(t // 2, t + 1, (n, 1))] = np.nan
    return X.astype(np.float32), y


def load(options, name, **made_up):
    """Train and test rows with their labels: of a file, or made up."""
    if options.data:
        file = np.load(Path(options.data) / f"{name}.npz")
        return [file[key] for key in ("X_train", "y_train", "X_test", "y_test")]
    made = waves(100, **made_up, seed=0), waves(200, **made_up, seed=1)
    return [array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
            for part in made for array in part]  # fmt: skip


def quickly(options):
    """Parameters of a smoke run."""
    return {"max_epochs": 2, "early_stopping": False} if options.quick else {}


def beats(options):
    """Abnormal beats among normal ones, by nets that have seen normal ones of the train part."""
    train, y_train, test, y = load(options, "ecg5000", t=60, d=1)
    train = train[y_train == 0]
    print(f"\nECG5000: AUROC on {len(test)} beats, trained on {len(train)} normal ones")

    def error(model):
        return np.sum((test - model.inverse_transform(model.transform(test))) ** 2, axis=1)

    # Without the linear path: it would rebuild any beat, and so abnormal ones too.
    settings = {"shortcut": None, "early_stopping": False, **quickly(options)}
    aucs = []
    for seed in range(options.seeds):
        start = time.perf_counter()
        net = SequenceAutoencoder(8, **settings, random_state=seed).fit(train)
        seconds = time.perf_counter() - start
        aucs.append(roc_auc_score(y, -net.score_samples(test)))
        print(
            f"SequenceAutoencoder(8, shortcut=None), seed {seed}: {aucs[-1]:.4f} ({seconds:.0f} s)"
        )
    verdict(np.mean(aucs) >= 0.985, f"mean AUROC {np.mean(aucs):.4f}, bar 0.985")
    for size in (8, 32):
        linear = roc_auc_score(y, error(PCA(size).fit(train)))
        dense = Autoencoder(size, **quickly(options), random_state=0).fit(train)
        dense = roc_auc_score(y, -dense.score_samples(test))
        print(f"code size {size}: PCA {linear:.4f}, Autoencoder {dense:.4f}")
    if not options.quick:
        net = SequenceAutoencoder(8, random_state=0).fit(train)
        print(f"SequenceAutoencoder(8), from PCA: {roc_auc_score(y, -net.score_samples(test)):.4f}")
    forest = IsolationForest(random_state=0).fit(train)
    print(f"IsolationForest {roc_auc_score(y, -forest.score_samples(test)):.4f}", flush=True)


def vowels(options):
    """The speaker of a vowel, from codes of sequences of different lengths."""
    made_up = {"t": 20, "d": 3, "unequal": True}
    X, y, X_test, y_test = load(options, "japanese_vowels", **made_up)
    net = SequenceAutoencoder(**quickly(options), random_state=0)
    pipeline = make_pipeline(net, StandardScaler(), LogisticRegression(max_iter=2000)).fit(X, y)
    accuracy = pipeline.score(X_test, y_test)
    print(f"\nJapaneseVowels: logistic regression on codes of {net.code_size}")
    verdict(accuracy >= 0.93, f"accuracy {accuracy:.3f}, bar 0.93")


def neighbors(options):
    """Codes for nearest neighbors, beside PCA's."""
    print("\n1-NN accuracy on codes, and squared error of a test row")
    for name in ("italy_power_demand", "gunpoint"):
        X, y, X_test, y_test = load(options, name, t=40, d=1)
        for size in (4, 8):
            net = SequenceAutoencoder(size, **quickly(options), random_state=0)
            row = [f"{name:20s} code size {size}:"]
            for model in (net.fit(X), PCA(size).fit(X)):
                nearest = KNeighborsClassifier(1).fit(model.transform(X), y)
                codes = model.transform(X_test)
                error = np.sum((X_test - model.inverse_transform(codes)) ** 2, axis=1).mean()
                name_of = type(model).__name__.removeprefix("Sequence")
                row.append(f"{name_of} {nearest.score(codes, y_test):.3f} ({error:.3g})")
            print(*row, f"epochs {net.n_iter_}", flush=True)


def names(options):
    """Names rebuilt letter by letter, and those between two of them."""
    if not options.data:
        return
    known = (Path(options.data) / "us_baby_names.txt").read_text().split()
    known = [known[i] for i in np.random.default_rng(0).permutation(len(known))]
    if options.quick:
        known = known[:3000]
    test, train = known[:2000], known[2000:]
    net = SequenceAutoencoder(
        64,
        vocabulary=LETTERS,
        hidden_size=128,
        teacher_forcing=0.7,
        max_epochs=options.epochs,
        early_stopping=False,
        random_state=0,
    )
    start = time.perf_counter()
    net.set_params(**quickly(options)).fit(train)
    seconds = time.perf_counter() - start
    print(
        f"\nNames: {len(train)} to learn from, code size 64, {net.n_iter_} epochs, {seconds:.0f} s"
    )
    short = [name for name in test if len(name) <= 8 and len(name) <= net.n_steps_]
    exact = np.mean(net.reconstruct(short) == np.array(short, dtype=object))
    verdict(exact >= 0.9, f"{exact:.1%} of {len(short)} held-out names rebuilt exactly, bar 90 %")
    for a, b in (("anna", "maria"), ("oliver", "sophia"), ("john", "elizabeth")):
        print("  " + " - ".join(net.interpolate(a, b, 7)))
    print("  drawn:", ", ".join(net.sample(10, random_state=0)), flush=True)


def forecasts(options):
    """Half a day of taxi rides from the day before, beside those of a day and of a week ago."""
    horizon, n_read = DAY // 2, DAY
    if options.data:
        rides = np.load(Path(options.data) / "nab_nyc_taxi.npz")["value"]
    else:
        t = np.arange(6000)
        rides = 2 + np.sin(2 * np.pi * t / DAY) + 0.5 * np.sin(2 * np.pi * t / WEEK)
        rides += 0.1 * np.random.default_rng(0).normal(size=len(t))
    rides = rides / rides.std()
    windows = np.lib.stride_tricks.sliding_window_view(rides, n_read + horizon)
    first = np.arange(len(windows))  # of the rides, chronologically: train, a gap, test
    cut = int(0.7 * len(windows))
    train = windows[: cut : 2 if not options.quick else 16]
    chosen = first[cut + n_read + horizon :: 4]
    test = windows[chosen]
    past, after = test[:, :n_read], test[:, n_read:]
    last_day = past[:, :horizon]
    last_week = np.stack([rides[i + n_read - WEEK : i + n_read - WEEK + horizon] for i in chosen])
    net = SequenceAutoencoder(16, horizon=horizon, random_state=0, **quickly(options))
    start = time.perf_counter()
    net.fit(train)
    seconds = time.perf_counter() - start
    linear = SequenceAutoencoder(16, horizon=horizon, random_state=0, max_epochs=0).fit(train)

    def error(predicted):
        return np.mean((predicted - after) ** 2)

    of_net, of_day, of_week = map(error, (net.forecast(past), last_day, last_week))
    print(f"\nTaxi: {horizon} half hours ahead, mean squared error, {len(test)} windows")
    print(f"SequenceAutoencoder {of_net:.4f} ({net.n_iter_} epochs, {seconds:.0f} s),", end=" ")
    print(f"its linear start {error(linear.forecast(past)):.4f},", end=" ")
    print(f"a day ago {of_day:.4f}, a week ago {of_week:.4f}, ", end="")
    print(f"the mean {error(train.mean()):.4f}")
    verdict(of_net < min(of_day, of_week), "lower than the seasonal-naive forecasts")


class ByHand(nn.Module):
    """What one would write for these cells and nothing else."""

    def __init__(self, code_size, hidden_size):
        super().__init__()
        self.encoder = nn.GRU(1, hidden_size, batch_first=True)
        self.code = nn.Linear(hidden_size, code_size)
        self.start = nn.Linear(code_size, hidden_size)
        self.decoder = nn.GRU(code_size, hidden_size, batch_first=True)
        self.last = nn.Linear(hidden_size, 1)

    def forward(self, x):
        """Rows rebuilt."""
        code = self.code(self.encoder(x[..., None])[1][-1])
        inputs = code[:, None].expand(-1, x.shape[1], -1)
        return self.last(self.decoder(inputs, self.start(code)[None])[0])[..., 0]


def epochs(options):
    """The time of an epoch, against a torch loop: the same cells, batches and optimizer."""
    X, batch, n = waves(512, 60, 1, seed=0)[0][..., 0], 64, 2 if options.quick else 5
    n_threads = torch.get_num_threads()

    def by_hand():
        net = ByHand(16, 64)
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)
        x, seconds = torch.from_numpy(X), []
        for _ in range(n):
            start = time.perf_counter()
            for rows in x[torch.randperm(len(x))].split(batch):
                optimizer.zero_grad()
                F.mse_loss(net(rows), rows).backward()
                optimizer.step()
            seconds.append(time.perf_counter() - start)
        return np.min(seconds)

    def ours(**parameters):
        net = SequenceAutoencoder(
            16, batch_size=batch, lr=1e-3, max_epochs=n, early_stopping=False, **parameters
        ).fit(X)
        return min(net.net_.history[:, "dur"])

    print("\nSeconds of an epoch: the best of each round, rounds in turn")
    times = []
    for _ in range(1 if options.quick else 5):
        torch.set_num_threads(1)  # as many as skae takes for steps of this size
        loop = by_hand()
        torch.set_num_threads(n_threads)
        times.append((loop, ours(shortcut=None), ours()))
    loop, plain, linear = np.median(times, axis=0)
    ratio = np.median([b / a for a, b, _ in times])
    print(f"loop {loop:.3f}, SequenceAutoencoder {plain:.3f}, with the linear path {linear:.3f}")
    verdict(ratio <= 1.10, f"median ratio {ratio:.2f} without the linear path, bar 1.10")


def verdict(met, what):
    print(f"{what}: {'met' if met else 'MISSED'}", flush=True)


PARTS = {
    "beats": beats,
    "vowels": vowels,
    "neighbors": neighbors,
    "names": names,
    "forecasts": forecasts,
    "epochs": epochs,
}


def main():
    """Run from the command line."""
    options = parser(__doc__)
    options.add_argument("--part", choices=PARTS)
    options.add_argument("--seeds", type=int, default=3, help="of the heart beats")
    options.add_argument("--epochs", type=int, default=6, help="of the names")
    arguments = options.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name, part in PARTS.items():
        if arguments.part in (None, name):
            part(arguments)


if __name__ == "__main__":
    main()
