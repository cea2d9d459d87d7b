"""The convolutional autoencoder beside PCA and the dense one, and pictures of what it repairs.

Parts: "memory" (the peak, which is the process's: hence the first), "codes" (MNIST, error at equal
code size), "repair" (noise and holes), "pairs" (pictures from pictures, beside ridge regression and
the linear map of neighborhoods), "speed" (a step beside a hand-written loop).
Without data: scikit-learn's digits.
"""

import math
import resource
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from tables import fixed, flat, mnist, mnist_test, parser, picture
from torch import nn

from skae import Autoencoder, ConvolutionalAutoencoder, DenoisingAutoencoder

PARTS = ("memory", "codes", "repair", "pairs", "speed")


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


def gray(images, rng):
    """The mean of the channels."""
    return images.mean(axis=3)


def marked(images, rng):
    """Half covered by a frame, at the same place in each."""
    images, height, width = images.copy(), *images.shape[1:3]
    frame = np.zeros((height, width), dtype=bool)
    frame[height * 3 // 8 : height * 5 // 8, width // 8 : width * 7 // 8] = True
    frame[height * 7 // 16 : height * 9 // 16, width // 4 : width * 3 // 4] = False
    images[:, frame] = 0.5 * images[:, frame] + 0.5
    return images


def holed(images, rng):
    """A quarter of the height and width missing, at a place of its own in each."""
    images, side = images.copy(), images.shape[1] // 4
    for image in images:
        row, column = rng.integers(images.shape[1] - side, size=2)
        image[row : row + side, column : column + side] = np.nan
    return images


def blurred(images, rng):
    """Out of focus."""
    width = images.shape[1] / 27
    return gaussian_filter(images, (0, width, width, 0)).astype(np.float32)


def halved(images, rng):
    """Half the height and width."""
    n, height, width, channels = images.shape
    return images.reshape(n, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


TASKS = {"color": gray, "mark": marked, "hole": holed, "focus": blurred, "size": halved}


def pairs(options):
    """Pictures from pictures: colored, cleaned, filled, sharpened, enlarged, at the defaults."""
    digits = load_digits().images[:, ..., None] / 16
    sets = {"digits": (digits[:300], digits[300:500])}
    if options.data is not None and not options.quick:
        cifar = np.load(Path(options.data) / "cifar10_subset.npz")
        faces = np.load(Path(options.data) / "olivetti_faces.npz")["X"][..., None] / 255
        order = np.random.default_rng(0).permutation(len(faces))
        sets = {
            "cifar": (cifar["X_train"][:1500] / 255, cifar["X_test"][:500] / 255),
            "faces": (faces[order[:320]], faces[order[320:]]),
        }
    print(f"\n{'':12s}{'as it is':>10s}{'ridge':>8s}{'epoch 0':>9s}{'trained':>9s}{'epochs':>8s}")
    for name, pictures in sets.items():
        clean, clean_test = (part.astype(np.float32) for part in pictures)
        for task, spoil in TASKS.items():
            if task != "color" or clean.shape[3] > 1:
                one_task(f"{name}, {task}", spoil, clean, clean_test, options)


def one_task(name, spoil, clean, clean_test, options):
    """One row of the table, and a picture."""
    rng = np.random.default_rng(0)
    given, given_test = spoil(clean, rng), spoil(clean_test, rng)
    ridge = as_is = math.nan
    if spoil is not holed:
        model = RidgeCV(np.logspace(-1, 5, 7)).fit(flat(given), flat(clean))
        ridge = error(clean_test, model.predict(flat(given_test)))
    if spoil in (gray, marked, blurred):
        shown = given_test[..., None] if spoil is gray else given_test
        as_is = error(clean_test, np.broadcast_to(shown, clean_test.shape))
    n_epochs = {"max_epochs": 3} if options.quick else {}
    start, trained = (
        ConvolutionalAutoencoder(None, random_state=0, **epochs).fit(given, target=clean)
        for epochs in ({"max_epochs": 0}, n_epochs)
    )
    made = trained.reconstruct(given_test)
    errors = error(clean_test, start.reconstruct(given_test)), error(clean_test, made)
    print(
        f"{name:12s}{as_is:10.2f}{ridge:8.2f}{errors[0]:9.2f}{errors[1]:9.2f}{trained.n_iter_:8d}",
        flush=True,
    )
    shown = (
        np.broadcast_to(given_test[..., None], clean_test.shape) if spoil is gray else given_test
    )
    rows = {"true": clean_test, "given": shown, "epoch 0": start.reconstruct(given_test)}
    picture(f"images_{name.replace(', ', '_')}.png", {**rows, "trained": made})


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
