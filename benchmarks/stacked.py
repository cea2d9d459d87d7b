"""A stack of four layers against PCA: error and time, by layer and after fine-tuning.

``python benchmarks/stacked.py --data DIR`` trains 784-1000-500-250-30 on all 60 000 images of MNIST
and measures the squared error of the 10 000 test images, summed over pixels in [0, 1]; without data
it trains a smaller stack on scikit-learn's digits. Small tables with labels follow.
"""

import time
import warnings

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from tables import bundled, fixed, mnist, mnist_test, parser, small_tables

from skae import Autoencoder, StackedAutoencoder

# Sizes of the codes, epochs for each layer and of fine-tuning.
ON_MNIST = (1000, 500, 250, 30), 2, 28
ON_DIGITS = (128, 64, 32, 8), 25, 60


def error(model, X):
    """Squared error of a row, summed over its columns: the mean over rows."""
    return np.mean(np.sum((X - model.inverse_transform(model.transform(X))) ** 2, axis=1))


def seconds(model):
    """Of the epochs that a net was trained for."""
    return sum(model.net_.history[:, "dur"])


def images(train, test, settings, options):
    """Fit the stack and print what each phase took and gave."""
    sizes, layer_epochs, epochs = settings
    layer_epochs, epochs = options.layer_epochs or layer_epochs, options.epochs or epochs
    shared = {
        "code_size": sizes[-1],
        "hidden_layer_sizes": sizes[:-1],
        "output_activation": "sigmoid",
        "lr": options.lr,
        "weight_decay": options.weight_decay,
        "verbose": options.verbose,
    }
    stack = StackedAutoencoder(
        **shared,
        **fixed(epochs),
        code_activation="identity",
        layer=Autoencoder(
            hidden_layer_sizes=(),
            shortcut=None,
            code_activation="relu",
            **fixed(layer_epochs),
        ),
    )
    print("-".join(map(str, (train.shape[1], *sizes))), f"on {len(train)} images,", end=" ")
    print(f"{layer_epochs} epochs for each layer and {epochs} of fine-tuning")
    start = time.perf_counter()
    stack.fit(train)
    total = time.perf_counter() - start
    print(f"{'':34s} {'train':>7s} {'test':>7s} {'seconds':>8s}")
    pca = PCA(sizes[-1], random_state=0).fit(train)
    report(f"PCA, {sizes[-1]} components", error(pca, train), error(pca, test))
    for i, layer in enumerate(stack.layers_):
        partial = StackedAutoencoder.from_layers(stack.layers_[: i + 1])
        on_train = stack.partial_reconstruction_errors_[i]
        report(f"layers 1 to {i + 1}, pre-trained", on_train, error(partial, test), seconds(layer))
    report("fine-tuned", error(stack, train), error(stack, test), seconds(stack))
    if options.scratch:
        n = layer_epochs + epochs
        whole = Autoencoder(**shared, **fixed(n), activation="relu", shortcut=None).fit(train)
        name = f"not pre-trained, {n} epochs"
        report(name, error(whole, train), error(whole, test), seconds(whole))
    epoch = seconds(stack) / max(1, stack.n_iter_)
    print(f"the whole fit {total:.0f} s; an epoch of fine-tuning {epoch:.1f} s, ", end="")
    print(f"one for every layer {sum(map(seconds, stack.layers_)) / layer_epochs:.1f} s")


def report(name, on_train, on_test, time=None):
    """One row of the table."""
    time = "" if time is None else f"{time:.1f}"
    print(f"{name:34s} {on_train:7.3f} {on_test:7.3f} {time:>8s}", flush=True)


def main():
    """Run from the command line."""
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=60_000, help="training images of MNIST")
    options.add_argument("--layer-epochs", type=int, help="of pre-training")
    options.add_argument("--epochs", type=int, help="of fine-tuning")
    options.add_argument("--lr", type=float, default=2e-3, help="of fine-tuning")
    options.add_argument("--weight-decay", type=float, default=0.5)
    options.add_argument("--verbose", type=int, default=0)
    options.add_argument("--scratch", action="store_true", help="the same net not pre-trained, too")
    options.add_argument("--part", choices=["images", "tables"])
    arguments = options.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    wanted = [arguments.part] if arguments.part else ["images", "tables"]
    if "images" in wanted and arguments.data and not arguments.quick:
        train = mnist(arguments.data, arguments.rows).astype(np.float32)
        images(train, mnist_test(arguments.data).astype(np.float32), ON_MNIST, arguments)
    elif "images" in wanted:
        train, test = train_test_split(bundled("digits") / 16, random_state=0)
        images(train, test, ON_DIGITS, arguments)
    if "tables" in wanted and not arguments.quick:
        small_tables(
            arguments.data,
            lambda size: StackedAutoencoder(size, random_state=0),
            "StackedAutoencoder, code size 2",
        )


if __name__ == "__main__":
    main()
