"""Rows past memory: seconds and peak memory of `fit` and `transform_blocks` by gigabytes.

``python benchmarks/scale.py --sizes 1 3 10`` makes curved rows of 64 columns in a temporary folder,
as ``.npy`` and as Parquet, and fits each in a process of its own, beside `IncrementalPCA`,
`partial_fit` by hand and, for the smallest size, the fit in memory.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.decomposition import IncrementalPCA
from tables import parser

from skae import Autoencoder
from skae.streams import Blocks

WIDTH, CODE, RANK = 64, 8, 8
BLOCK = 65_536
N_TEST = 20_000
BATCH = 256


def curved(n_rows, seed):
    """Rows near a curved surface of `RANK` dimensions."""
    maps = np.random.default_rng(0)
    lines, curves = maps.normal(size=(RANK, WIDTH)), maps.normal(size=(RANK, WIDTH))
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n_rows, RANK)).astype(np.float32)
    rows = np.tanh(z @ lines) + 0.5 * np.sin(2 * z) @ curves / np.sqrt(RANK)
    return (rows + 0.05 * rng.normal(size=rows.shape)).astype(np.float32)


def blocks_of(n_rows):
    """Functions of the source: each block is made anew from its number."""
    for i in range(-(-n_rows // BLOCK)):
        yield curved(min(BLOCK, n_rows - i * BLOCK), seed=i + 1)


def held_out_r2(reconstruct):
    """Share of the variance of new rows that is rebuilt."""
    test = curved(N_TEST, seed=0)
    error = np.square(reconstruct(test) - test).sum()
    return float(1 - error / np.square(test - test.mean(axis=0)).sum())


def streamed(path):
    """Fit of `Blocks`, and codes into a file."""
    start = time.perf_counter()
    model = Autoencoder(CODE, random_state=0).fit(Blocks(path))
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    model.transform_blocks(path).write_npy(Path(path).parent / "codes.npy")
    return model.reconstruct, seconds, time.perf_counter() - start


def in_memory(path):
    """Fit of the array."""
    X = np.load(path)
    start = time.perf_counter()
    model = Autoencoder(CODE, random_state=0).fit(X)
    return model.reconstruct, time.perf_counter() - start, None


def by_hand(path):
    """One pass of `partial_fit`."""
    start = time.perf_counter()
    model = Autoencoder(CODE, batch_size=BATCH, random_state=0)
    for block in Blocks(path):
        model.partial_fit(block)
    return model.reconstruct, time.perf_counter() - start, None


def incremental_pca(path):
    """scikit-learn's, of the same code size."""
    start = time.perf_counter()
    model = IncrementalPCA(CODE)
    for block in Blocks(path):
        model.partial_fit(block)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    for block in Blocks(path):
        model.transform(block)
    seconds_of_codes = time.perf_counter() - start
    return lambda X: model.inverse_transform(model.transform(X)), seconds, seconds_of_codes


WAYS = {
    "fit(Blocks)": streamed,
    "IncrementalPCA": incremental_pca,
    "partial_fit by hand": by_hand,
    "fit in memory": in_memory,
}
ONLY_OF_THE_SMALLEST = "fit in memory", "partial_fit by hand"


def measure(way, path):
    """Run in a process of its own, which says what it took."""
    reconstruct, *seconds = WAYS[way](path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps([peak / 2**20, *seconds, held_out_r2(reconstruct)]))


def main():
    """Run from the command line."""
    options = parser(__doc__)
    options.add_argument("--sizes", nargs="+", type=float, default=[1], help="gigabytes")
    options.add_argument("--measure", nargs=2, help="one way, and a path")
    arguments = options.parse_args()
    if arguments.measure:
        measure(*arguments.measure)
        return
    sizes = [0.004] if arguments.quick else arguments.sizes
    print(f"{'GB':>5} {'of':8} {'way':20} {'fit s':>7} {'codes s':>8} {'peak GB':>8} {'R2':>7}")
    for size in sizes:
        n_rows = int(size * 1e9 / (4 * WIDTH))
        with tempfile.TemporaryDirectory() as folder:
            source = Blocks(lambda n_rows=n_rows: blocks_of(n_rows))
            paths = [
                ("npy", source.write_npy(Path(folder) / "x.npy")),
                ("parquet", source.write_parquet(Path(folder) / "parts")),
            ]
            for kind, path in paths:
                for way in list(WAYS)[: 1 if arguments.quick else None]:
                    if kind == "parquet" and way != "fit(Blocks)":
                        continue
                    if way in ONLY_OF_THE_SMALLEST and size > min(sizes):
                        continue
                    command = [sys.executable, __file__, "--measure", way, str(path)]
                    done = subprocess.run(command, check=True, capture_output=True, text=True)
                    peak, fit, codes, r2 = json.loads(done.stdout.splitlines()[-1])
                    codes = "" if codes is None else f"{codes:.1f}"
                    print(
                        f"{size:5g} {kind:8} {way:20} {fit:7.1f} {codes:>8} {peak:8.2f} {r2:7.4f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
