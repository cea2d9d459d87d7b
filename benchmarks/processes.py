"""One process beside several that train one net: rows a second, and what they learn.

``python benchmarks/processes.py --rows 4000000`` fits curved rows of 64 columns, one pass, each in
processes of its own with a core each. Without more cores than one it shows what talking costs.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from scale import CODE, curved, held_out_r2
from tables import parser


def measure(path, batch_size):
    """Fit for one pass, in one of the processes; the first says how long and how well."""
    from accelerate import Accelerator

    from skae import Autoencoder

    accelerator = Accelerator(cpu=True)
    settings = {"max_epochs": 1, "early_stopping": False, "random_state": 0}
    settings |= {"batch_size": int(batch_size), "accelerator": accelerator}
    X = np.load(path, mmap_mode="r")
    warnings.simplefilter("ignore")
    Autoencoder(CODE, **settings | {"max_epochs": 0}).fit(X[:1000])  # all that is loaded once
    accelerator.wait_for_everyone()
    start = time.perf_counter()
    Autoencoder(CODE, **settings | {"max_epochs": 0}).fit(X)
    before = time.perf_counter() - start
    start = time.perf_counter()
    model = Autoencoder(CODE, **settings).fit(X)
    seconds = time.perf_counter() - start
    if accelerator.is_main_process:
        trained = seconds - before
        r2 = held_out_r2(model.reconstruct)
        print(json.dumps([seconds, len(X) / trained, model.best_loss_, r2]))


def launched(n, *arguments):
    """What the first of n processes says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)} if n > 1 else {}
    processes = []
    for i in range(n):
        rank = {"RANK": str(i), "LOCAL_RANK": str(i), "WORLD_SIZE": str(n)} if n > 1 else {}
        env = {**os.environ, **address, **rank, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, "--measure", *map(str, arguments)]
        processes.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True))
    said = [process.communicate()[0] for process in processes]
    assert not any(process.returncode for process in processes)
    return json.loads(said[0].splitlines()[-1])


def main():
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--processes", nargs="+", type=int, default=[1, 2])
    options.add_argument("--batch-sizes", nargs="+", type=int, default=[256, 2048])
    options.add_argument("--measure", nargs=2, help="a path, and a batch size")
    options = options.parse_args()
    if options.measure:
        measure(*options.measure)
        return
    n_rows = 4000 if options.quick else options.rows
    sizes = [256] if options.quick else options.batch_sizes
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npy"
        np.save(path, curved(n_rows, seed=1))
        print(f"{'batch':>6} {'processes':>9} {'fit, s':>7} {'rows/s':>9} {'loss':>9} {'R2':>7}")
        for size in sizes:
            for n in options.processes:
                seconds, rate, loss, r2 = launched(n, path, size)
                print(
                    f"{size:6} {n:9} {seconds:7.1f} {rate:9.0f} {loss:9.6f} {r2:7.4f}", flush=True
                )


if __name__ == "__main__":
    main()
