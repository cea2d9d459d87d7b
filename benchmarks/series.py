"""Anomalies in long series: SeriesOutlierDetector beside detectors on the same windows.

``python benchmarks/series.py --data DIR --half even``. Series of four shapes with anomalies of
five kinds, in one channel and in three, and one of NAB; VUS-PR. What the detector does was chosen
on the "odd" half (odd seeds, New York's taxis); "even" (even seeds, a machine's temperature) had no
part in it. Without data the NAB series are left out.
"""

import time
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from tables import parser

from skae import AutoencoderOutlierDetector, SeriesOutlierDetector
from skae.windows import find_period, fold_scores, sliding_windows

KINDS = ("spikes", "level shift", "changed period", "noise burst", "missing cycle")
SHAPES = ("waves", "pulses", "seasonal walk", "sawtooth")
HALVES = {"odd": ((1, 3), "nab_nyc_taxi"), "even": ((0, 2), "nab_machine_temperature")}
N_POINTS, WINDOW = 3000, 100  # the last: the widest of the tolerances of VUS-PR


# -- series -----------------------------------------------------------------------------------


def shaped(shape, t, rng):
    """A series with period 1, at the times t."""
    n = len(t)
    if shape == "waves":
        phases, sizes = rng.uniform(0, 6, 2), rng.uniform((0.2, 0.1), (0.6, 0.4))
        waves = (
            s * np.sin(2 * np.pi * k * t + p) for k, s, p in zip((2, 3), sizes, phases, strict=True)
        )
        return np.sin(2 * np.pi * t) + sum(waves)
    if shape == "pulses":  # of a heart
        peaks = ((2.5, 0.5, 0.04), (-0.6, 0.58, 0.04), (0.5, 0.75, 0.08), (0.3, 0.3, 0.05))
        return sum(size * np.exp(-(((t % 1 - at) / width) ** 2)) for size, at, width in peaks)
    if shape == "seasonal walk":  # days, weeks, and what wanders
        walk = np.cumsum(rng.normal(size=n))
        walk -= np.convolve(walk, np.ones(n // 10) / (n // 10), "same")
        week = 1 + 0.4 * np.sin(2 * np.pi * t / 7 + rng.uniform(0, 6))
        return week * np.sin(2 * np.pi * t) + 0.5 * walk / walk.std()
    return 2 * (t % 1) - 1 + 0.3 * np.sin(6 * np.pi * t)


def made(kind, shape, seed, n_channels, n=N_POINTS):
    """A series of shape (n, n_channels), and 1 for its anomalous points."""
    rng = np.random.default_rng(zlib.crc32(f"{kind} {shape} {seed} {n_channels}".encode()))
    period, n_events = int(rng.integers(20, 90)), int(rng.integers(1, 4))
    if kind == "spikes":
        n_events *= 2
    starts = rng.choice(
        np.arange(3, n // period - 4, 3), min(n_events, n // period // 3 - 2), False
    )
    starts = np.sort(starts) * period + int(rng.integers(period))
    lengths = rng.uniform(0.7, 2, len(starts)) * period
    if kind == "spikes":
        lengths = rng.integers(1, 4, len(starts))
    spans = [
        slice(start, start + int(length)) for start, length in zip(starts, lengths, strict=True)
    ]
    y, speed = np.zeros(n, dtype=int), np.ones(n)
    for span in spans:
        y[span] = 1
        if kind == "changed period":
            speed[span] = rng.choice([0.6, 1.5])
    t = rng.uniform() + np.cumsum(speed) / period
    X = np.stack([shaped(shape, t, rng) for _ in range((n_channels + 1) // 2)], axis=1)
    if n_channels > 1:
        X = X @ rng.normal(size=(X.shape[1], n_channels))
    X /= X.std(axis=0)
    X += rng.uniform(0.05, 0.2) * rng.normal(size=X.shape)
    for span in spans:
        for channel in rng.permutation(n_channels)[: max(1, n_channels // 2)]:
            part, sign = X[span, channel], rng.choice([-1, 1])
            if kind == "spikes":
                part += sign * rng.uniform(2, 4)
            elif kind == "level shift":
                part += sign * rng.uniform(0.8, 2)
            elif kind == "noise burst":
                part += rng.uniform(0.4, 1) * rng.normal(size=len(part))
            elif kind == "missing cycle":
                part[:] = part[0] + 0.1 * rng.normal(size=len(part))
    return X, y


def all_series(options):
    """Name, kind, series and labels of each."""
    seeds, of_nab = HALVES[options.half]
    kinds, shapes = (KINDS[:2], SHAPES[:1]) if options.quick else (KINDS, SHAPES)
    for kind in kinds:
        for shape in shapes:
            for seed, n_channels in ((seeds[0], 1), (seeds[1], 1), (seeds[0], 3)):
                size = {"n": 1000} if options.quick else {}
                name = f"{shape} {seed}, {n_channels} channel(s)"
                yield name, kind, *made(kind, shape, seed, n_channels, **size)
    if options.data and not options.quick:
        file = np.load(Path(options.data) / f"{of_nab}.npz")
        yield of_nab, "NAB", file["value"][:, None], file["y"].astype(int)


# -- the measure ------------------------------------------------------------------------------


def vus_pr(y, scores, window=WINDOW, n_thresholds=250):
    """Volume under the surface of precision and recall: the mean over tolerances up to ``window``.

    Points near an anomaly count in part, the less the farther; the recall is multiplied by the
    share of the anomalies that are seen at all. Higher scores are more anomalous. Equal to
    ``RangeAUC_volume_opt`` of the package ``vus`` (Paparrizos et al., VLDB 2022).
    """
    n, edges = len(y), np.diff(np.r_[0, y, 0])
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    order = np.sort(scores)
    thresholds = order[::-1][np.linspace(0, n - 1, n_thresholds).astype(int)]
    n_called = n - np.searchsorted(order, thresholds)
    first = np.searchsorted(-thresholds, -scores)  # threshold from which on a point is called

    def called(weights):
        """The sum of the weights of the points called, by threshold."""
        return np.cumsum(np.bincount(first, weights, n_thresholds + 1)[:n_thresholds])

    def widened(tolerance):
        """First and last points of the anomalies with what lies around, those that meet as one."""
        joined = []
        for a, b in zip(starts - tolerance // 2, ends + tolerance // 2, strict=True):
            a, b = max(a, 0), min(b, n - 1)
            if joined and a <= joined[-1][1]:
                joined[-1][1] = b
            else:
                joined.append([a, b])
        return joined

    areas = []
    for tolerance in range(window + 1):
        weights = y.astype(float)
        for a, b in zip(starts, ends, strict=True):
            after = np.arange(b + 1, min(b + tolerance // 2 + 1, n))
            before = np.arange(max(a - tolerance // 2, 0), a)
            weights[after] += np.sqrt(1 - (after - b) / max(tolerance, 1))
            weights[before] += np.sqrt(1 - (a - before) / max(tolerance, 1))
        weights = np.minimum(weights, 1)
        seen = np.zeros(n_thresholds)
        events = widened(tolerance)
        for a, b in events:
            seen[first[a : b + 1].min() :] += 1
        hits = called(weights)
        positives = y.sum() + called(np.where(y == 0, weights, 0)) / 2
        recall = np.minimum(hits / positives, 1) * seen / len(events)
        areas.append(np.diff(np.r_[0, recall]) @ (hits / n_called))
    return float(np.mean(areas))


# -- detectors --------------------------------------------------------------------------------


def sub_pca(rows):
    """As in TSB-AD: distances from all axes, weighted by one over their variance."""
    rows = StandardScaler().fit_transform(rows)
    pca = PCA(svd_solver="full").fit(rows)
    weights = np.maximum(pca.explained_variance_ratio_, 1e-12)
    return np.sum(cdist(rows, pca.components_) / weights, axis=1)


def pca_error(rows):
    """Length of what PCA with 90 % of the variance leaves."""
    pca = PCA(0.9).fit(rows)
    return np.linalg.norm(rows - pca.inverse_transform(pca.transform(rows)), axis=1)


def kth(rows, k=5):
    """Mean distance from the nearest windows."""
    return NearestNeighbors(n_neighbors=k).fit(rows).kneighbors()[0].mean(axis=1)


def lof(rows):
    return -LocalOutlierFactor(20).fit(rows).negative_outlier_factor_


def forest(rows):
    return -IsolationForest(random_state=0).fit(rows).score_samples(rows)


def by_rows(rows):
    detector = AutoencoderOutlierDetector(standardize=False, random_state=0)
    return -detector.fit(rows[::4]).score_samples(rows)


ON_WINDOWS = {
    "Sub-PCA (TSB-AD)": sub_pca,
    "PCA 90 %": pca_error,
    "5 nearest": kth,
    "LOF": lof,
    "IsolationForest": forest,
    "AutoencoderOutlierDetector": by_rows,
}


def contest(options):
    rows = []
    for name, kind, X, y in all_series(options):
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        start = time.process_time()
        detector = SeriesOutlierDetector(random_state=0).fit(X)
        found = {"SeriesOutlierDetector": -detector.score_samples(X)}
        seconds = {"SeriesOutlierDetector": time.process_time() - start}
        length = find_period(X) or 125
        windows = sliding_windows(X, length).reshape(len(X) - length + 1, -1)
        for method, judge in ON_WINDOWS.items():
            start = time.process_time()
            found[method] = fold_scores(judge(windows), len(X), length)
            seconds[method] = time.process_time() - start
        for method, scores in found.items():
            figures = {"VUS-PR": vus_pr(y, scores), "seconds": seconds[method]}
            channels = name.rsplit(" ")[-1]
            rows.append(
                {"kind": kind, "channels": channels, "series": name} | figures | {"method": method}
            )
        best = max(found, key=lambda m: vus_pr(y, found[m]))
        print(f"{kind:15s} {name:25s} windows of {length:3d}; best: {best}", flush=True)
    done = pd.DataFrame(rows)
    table = done.pivot_table("VUS-PR", "method", "kind")
    table["mean"] = done.groupby("method")["VUS-PR"].mean()
    ranks = done.pivot_table("VUS-PR", ["kind", "series"], "method")
    table["rank"] = ranks.rank(axis=1, ascending=False).mean()
    table["CPU s"] = done.groupby("method")["seconds"].mean()
    print(f"\nMean VUS-PR, {options.half} half")
    print(table.sort_values("mean", ascending=False).round(3).to_string())


def main():
    options = parser(__doc__)
    options.add_argument("--half", choices=HALVES, default="even")
    contest(options.parse_args())


if __name__ == "__main__":
    main()
