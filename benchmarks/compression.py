"""Compression of tables: bits an entry beside coders of single columns, and of handwritten digits.

Each table is cut in half at random; the model is fitted to one half and compresses the other. All
coders are given the same whole numbers on one grid. ``--data DIR`` has the tables ``adbench/``;
without it, scikit-learn's wine, breast cancer and digits.
"""

import lzma
import time
import warnings

import numpy as np
import zstandard
from pcodec import ChunkConfig, standalone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from tables import parser
from threadpoolctl import threadpool_limits

from skae import Autoencoder, AutoencoderCompressor

SHARES = ("10%", "1%", "0.1%")


def tables(options):
    """Names and tables of numbers."""
    if options.data is not None and not options.quick:
        for path in sorted((options.data / "adbench").glob("*.npz"))[:: options.every]:
            X = np.load(path, allow_pickle=True)["X"]
            if len(X) >= 200:
                yield path.stem, X[: options.rows].astype(np.float64)
        return
    yield "wine", load_wine().data
    yield "cancer", load_breast_cancer().data
    yield "digits", load_digits().data


def alone(numbers):
    """Bytes of each coder of single columns."""
    small = [np.ascontiguousarray(column).astype(np.int32) for column in numbers.T]
    flat = np.stack(small).view(np.uint8)
    return {
        "pcodec": sum(len(standalone.simple_compress(c, ChunkConfig())) for c in small),
        "zstd -19": len(zstandard.ZstdCompressor(level=19).compress(flat.tobytes())),
        "LZMA": len(lzma.compress(flat.tobytes(), preset=6)),
    }


def main():
    """Run from the command line."""
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=4000)
    options.add_argument("--every", type=int, default=4, help="take each so-manyth table")
    options = options.parse_args()
    warnings.simplefilter("ignore")
    ratios = {share: [] for share in SHARES}
    with threadpool_limits(1):
        for name, X in tables(options):
            X = X[:, X.std(axis=0) > 0]
            order = np.random.default_rng(0).permutation(len(X))
            train, test = X[order[::2]], X[order[1::2]]
            for share in SHARES[1:2] if options.quick else SHARES:
                autoencoder = Autoencoder(
                    min(4, X.shape[1]), hidden_layer_sizes=(32,), max_epochs=20, random_state=0
                )
                start = time.process_time()
                model = AutoencoderCompressor(autoencoder, max_error=share, random_state=0)
                model.fit(train)
                fitted = time.process_time()
                content = model.compress(test)
                written = time.process_time()
                back = model.decompress(content)
                read = time.process_time()
                assert np.all(np.abs(back - test) <= model.max_error_)
                numbers = np.rint(test / np.where(model.max_error_ > 0, 2 * model.max_error_, 1))
                others = alone(numbers)
                ratios[share].append(len(content) / min(others.values()))
                bits = ", ".join(f"{k} {8 * v / test.size:.2f}" for k, v in others.items())
                print(
                    f"{name:18s} {share:>5s} skae {8 * len(content) / test.size:.2f}, {bits}; of "
                    f"the best {ratios[share][-1]:.2f}; code step {model.code_step_}; fit "
                    f"{fitted - start:.1f} s, {test.nbytes / 1e6 / (written - fitted):.2f} and "
                    f"{test.nbytes / 1e6 / max(read - written, 1e-3):.2f} MB/s",
                    flush=True,
                )
    for share, found in ratios.items():
        if found:
            print(
                f"max_error {share} of the standard deviation: {len(found)} tables, of the best "
                f"other in the median {np.median(found):.2f}, at most {max(found):.2f}"
            )


if __name__ == "__main__":
    main()
