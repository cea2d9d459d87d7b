"""Compression of tables: bits an entry beside coders of single columns, and of handwritten digits.

Each table is cut in half at random; the model is fitted to one half and compresses the other. All
coders are given the same whole numbers on one grid. ``--data DIR`` has the tables ``adbench/``;
without it, scikit-learn's wine, breast cancer and digits. ``--part rate`` has images at so many
bytes each: by an autoencoder, by PCA with the same rounding and its best number of components,
and by product quantization; on MNIST and faces with ``--data``, else on digits.
"""

import lzma
import time
import warnings

import numpy as np
import zstandard
from pcodec import ChunkConfig, standalone
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from tables import mnist, mnist_test, parser
from threadpoolctl import threadpool_limits

from skae import Autoencoder, AutoencoderCompressor
from skae.around.compressor import BITS_OF_NUMBER

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


def images(options):
    """Names, images to learn of and others, as rows from 0 to 1."""
    if options.data is not None and not options.quick:
        train, test = mnist(options.data, 60_000), mnist_test(options.data)
        yield "MNIST", train.astype(np.float32), test.astype(np.float32)
        faces = np.load(options.data / "olivetti_faces.npz")["X"].reshape(400, -1)
        faces = faces / faces.max()
        is_test = np.arange(400) % 10 < 2
        yield "faces", faces[~is_test].astype(np.float32), faces[is_test].astype(np.float32)
        return
    X = load_digits().data / 16
    yield "digits", X[::2], X[1::2]


def product_quantized(train, test, n_bytes):
    """Squared error of a row by a codebook of 256 for each group of principal components."""
    n = min(8 * n_bytes, *train.shape)
    pca = PCA(n, random_state=0).fit(train)
    codes, of_test = pca.transform(train), pca.transform(test)
    groups = [np.arange(j, n, n_bytes) for j in range(n_bytes)]
    for group in groups:
        means = MiniBatchKMeans(min(256, len(train)), n_init=1, random_state=0)
        means.fit(codes[:, group])
        of_test[:, group] = means.cluster_centers_[means.predict(of_test[:, group])]
    return np.square(pca.inverse_transform(of_test) - test).sum(1).mean()


def rates(options):
    """Squared error of images of so many bytes each."""
    for name, train, test in images(options):
        print(f"{name}: squared error of an image, {len(train)} to learn of, {len(test)} others")
        for n_bytes in (4, 8) if options.quick else (4, 8, 16, 32):
            rate = 8 * n_bytes
            start = time.process_time()
            settings = {"max_epochs": 5} if options.quick else {}
            size = min(train.shape[1], rate // BITS_OF_NUMBER)
            autoencoder = Autoencoder(size, random_state=0, **settings)
            model = AutoencoderCompressor(autoencoder, rate=rate, random_state=0).fit(train)
            seconds = time.process_time() - start
            error = -model.score(test)
            linear = {}
            for bits in (2, 2.5, 3, 3.5, 4, 5):  # the best number, with the truth in hand
                k = max(1, min(int(rate / bits), *train.shape))
                pca = AutoencoderCompressor(Autoencoder(k, max_epochs=0), rate=rate, random_state=0)
                linear[k] = -pca.fit(train).score(test)
            best = min(linear, key=linear.get)
            of_groups = product_quantized(train, test, n_bytes)
            print(
                f"  {n_bytes:2d} bytes: skae {error:.3f} (code of {size}, {seconds:.0f} s), PCA of "
                f"{best} {linear[best]:.3f}, product quantization {of_groups:.3f}; "
                f"{10 * np.log10(linear[best] / error):.1f} dB above PCA",
                flush=True,
            )


def main():
    """Run from the command line."""
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=4000)
    options.add_argument("--every", type=int, default=4, help="take each so-manyth table")
    options.add_argument("--part", choices=["bounds", "rate"])
    options = options.parse_args()
    warnings.simplefilter("ignore")
    if options.part != "rate":
        bounds(options)
    if options.part != "bounds":
        with threadpool_limits(1):
            rates(options)


def bounds(options):
    """Bits an entry of tables, each entry within its bound."""
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
