"""The convolutional autoencoder beside PCA and the dense one, and pictures of what it repairs.

Parts: "memory" (the peak, which is the process's: hence the first), "codes" (MNIST, error at equal
code size), "repair" (noise and holes), "color" (gray CIFAR images to colored ones, beside ridge
regression), "speed" (a step beside a hand-written loop).
Without data: scikit-learn's digits.
"""

import math
import resource
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from tables import fixed, flat, mnist, mnist_test, parser, picture
from torch import nn

from skae import Autoencoder, ConvolutionalAutoencoder, DenoisingAutoencoder

PARTS = ("memory", "codes", "repair", "color", "speed")


class DenoisingConvolutionalAutoencoder(DenoisingAutoencoder, ConvolutionalAutoencoder):
    """Removes noise from images."""


def images_of(options, n_train, n_test=2000):
    """Training and test images, as floats in [0, 1]."""
    if options.data is None or options.quick:
        images = load_digits().images.astype(np.float32) / 16
        return images[:1400], images[1400:]
    train = mnist(options.data, n_train).reshape(-1, 28, 28)
    test = mnist_test(options.data, n_test).reshape(-1, 28, 28)
    return train.astype(np.float32), test.astype(np.float32)


def error(images, rebuilt):
    """Squared error of an image, summed over its pixels."""
    return ((flat(images) - flat(rebuilt)) ** 2).sum(axis=1).mean()


def timed(function):
    """What it gives, and how long it took."""
    start = time.perf_counter()
    return function(), time.perf_counter() - start


def codes(options):
    """Errors at 32 numbers."""
    train, test = images_of(options, 20_000)
    size = 8 if train.shape[1] == 8 else 32
    epochs = 2 if options.quick else options.epochs
    pca = PCA(size).fit(flat(train))
    of_pca = error(test, pca.inverse_transform(pca.transform(flat(test))))
    print(f"\n{len(train)} images, code {size}: PCA {of_pca:.2f}")
    convolutional = ConvolutionalAutoencoder(size, **fixed(epochs))
    _, seconds = timed(lambda: convolutional.fit(train))
    result = error(test, convolutional.reconstruct(test))
    print(
        f"convolutional, {epochs} epochs: {result:.2f}, {result / of_pca:.2f} of PCA, "
        f"{seconds:.0f} s",
        flush=True,
    )
    # The dense one has the same time: its epochs are counted out by those of a short run.
    _, short = timed(lambda: Autoencoder(size, **fixed(2)).fit(flat(train)))
    n = max(2, int(2 * seconds / short))
    dense = Autoencoder(size, **fixed(n))
    _, took = timed(lambda: dense.fit(flat(train)))
    result = error(test, dense.reconstruct(flat(test)))
    print(
        f"dense, {n} epochs: {result:.2f}, {result / of_pca:.2f} of PCA, {took:.0f} s", flush=True
    )


def repair(options):
    """Noise taken away, and a hole filled."""
    train, test = images_of(options, 10_000, 1000)
    side, epochs = train.shape[1], 2 if options.quick else 12
    rng = np.random.default_rng(0)
    noisy = test + 0.5 * train.std() * rng.normal(size=test.shape).astype(np.float32)
    denoiser = DenoisingConvolutionalAutoencoder(64 if side > 8 else 16, **fixed(epochs))
    denoiser.fit(train)
    denoised = denoiser.denoise(noisy)
    print(
        f"\nNoise of half the spread: error {error(test, noisy):.2f} noisy, "
        f"{error(test, denoised):.2f} denoised"
    )

    def holed(images):
        images, width = images.copy(), side // 3
        for image, (row, column) in zip(
            images, rng.integers(side - width, size=(len(images), 2)), strict=True
        ):
            image[row : row + width, column : column + width] = np.nan
        return images

    inpainter = ConvolutionalAutoencoder(64 if side > 8 else 16, **fixed(epochs))
    inpainter.fit(holed(train), target=train)
    with_hole = holed(test)
    rebuilt, hole = inpainter.reconstruct(with_hole), np.isnan(with_hole)
    mean = np.broadcast_to(train.mean(axis=0), test.shape)
    of_hole, of_mean = (((rows - test)[hole] ** 2).mean() for rows in (rebuilt, mean))
    print(f"A hole of {hole[0].sum()} pixels: error {of_hole:.4f}, by the mean image {of_mean:.4f}")
    filled = np.where(hole, rebuilt, test)
    rows = {"clean": test, "noisy": noisy, "denoised": denoised}
    picture("images_repaired.png", {**rows, "with a hole": with_hole, "filled": filled})


def color(options):
    """Gray images made colored."""
    if options.data is None:
        print("\ncolor: needs --data")
        return
    file = np.load(Path(options.data) / "cifar10_subset.npz")
    n_train, epochs = (300, 2) if options.quick else (6000, 40)
    train, test = (file[f"X_{part}"][:n].astype(np.float32) / 255
                   for part, n in (("train", n_train), ("test", 1000)))  # fmt: skip
    gray, gray_test = train.mean(axis=3), test.mean(axis=3)
    ridge = RidgeCV(np.logspace(-1, 5, 7)).fit(flat(gray), flat(train))
    of_ridge = error(test, ridge.predict(flat(gray_test)))
    of_gray = error(test, np.repeat(gray_test[..., None], 3, axis=3))
    # The smallest maps as the code: color is a matter of places, and gray goes along.
    model = ConvolutionalAutoencoder(None, channels=(64,), kernel_size=5, **fixed(epochs))
    _, seconds = timed(lambda: model.fit(gray, target=train))
    colored = model.reconstruct(gray_test)
    result = error(test, colored)
    print(
        f"\nGray to color, {len(train)} images of CIFAR-10: error {result:.2f} ({seconds:.0f} s), "
        f"ridge {of_ridge:.2f}, left gray {of_gray:.2f}"
    )
    gray_shown = np.repeat(gray_test[..., None], 3, axis=3)
    picture("images_colored.png", {"gray": gray_shown, "colored": colored, "true": test})


def speed(options):
    """An epoch beside a hand-written loop over the same modules, by turns."""
    train, _ = images_of(options, 10_000)
    n_epochs, rounds = (1, 1) if options.quick else (2, 3)
    settings = {"shortcut": None, "batch_size": 256, **fixed(n_epochs)}

    def ours():
        return ConvolutionalAutoencoder(16, **settings).fit(train)

    def by_hand():
        small = math.ceil(math.ceil(train.shape[1] / 2) / 2)
        missing = 1 - train.shape[1] // 2 % 2
        module = nn.Sequential(
            nn.Unflatten(1, (1, *train.shape[1:])),
            nn.Conv2d(1, 32, 3, 2, 1), nn.SiLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.SiLU(),
            nn.Flatten(), nn.Linear(64 * small**2, 16), nn.Linear(16, 64 * small**2), nn.SiLU(),
            nn.Unflatten(1, (64, small, small)),
            nn.ConvTranspose2d(64, 32, 3, 2, 1, missing), nn.SiLU(),
            nn.ConvTranspose2d(32, 1, 3, 2, 1, 1), nn.Flatten(),
        ).to(memory_format=torch.channels_last)  # fmt: skip
        optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, fused=True)
        x = torch.from_numpy(flat(train))
        x = (x - x.mean(0)) / x.std()
        for _ in range(n_epochs):
            for index in torch.randperm(len(x)).split(256):
                batch = x[index]
                optimizer.zero_grad()
                nn.functional.mse_loss(module(batch), batch).backward()
                optimizer.step()

    ours(), by_hand()  # what torch loads at its first step is not their time
    ratios = [timed(ours)[1] / timed(by_hand)[1] for _ in range(rounds)]
    print(
        f"\nTime of a fit beside a hand-written loop: {np.median(ratios):.2f} (median of {rounds})"
    )


def memory(options):
    """The most memory that this process ever held: to be run alone."""
    if options.data is None or options.quick:
        images = (16 * load_digits().images).astype(np.uint8)
    else:
        images = np.load(Path(options.data) / "mnist.npz")["X_train"]
    before = peak()
    model = ConvolutionalAutoencoder(32, **fixed(1)).fit(images)
    model.transform(images)
    print(f"\nBytes of shape {images.shape}: peak of {peak():.2f} GB, {before:.2f} before the fit")


def peak():
    """In GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main():
    options = parser(__doc__)
    options.add_argument("--part", choices=PARTS, nargs="+", default=PARTS)
    options.add_argument("--epochs", type=int, default=50, help="of the codes part")
    options = options.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    for part in options.part:
        globals()[part](options)


if __name__ == "__main__":
    main()
