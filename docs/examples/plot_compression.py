"""
Compression: bytes with a bound on every error
==============================================

:class:`~skae.AutoencoderCompressor` turns rows into bytes. Each entry comes back within
``max_error``, which is checked when the bytes are made; 0 is lossless. The digits that are
compressed are not those it learned from, and the model is not in the bytes.
"""

import lzma
import zlib

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import Autoencoder, AutoencoderCompressor

X_train, X_test = train_test_split(load_digits().data.astype(np.uint8), random_state=0)
bounds = [0, 1, 2, 3]
sizes = {"zlib": [], "LZMA": [], "AutoencoderCompressor": []}
shown = []
for bound in bounds:
    autoencoder = Autoencoder(code_size=8, hidden_layer_sizes=(64,), random_state=0)
    compressor = AutoencoderCompressor(autoencoder, max_error=bound, random_state=0).fit(X_train)
    content = compressor.compress(X_test)
    shown.append(compressor.decompress(content))
    step = 2 * bound + 1  # rounded to the coarsest grid that keeps the bound, for the others
    rounded = ((X_test + bound) // step).astype(np.uint8)
    sizes["zlib"].append(len(zlib.compress(rounded.tobytes(), 9)))
    sizes["LZMA"].append(len(lzma.compress(rounded.tobytes(), preset=9)))
    sizes["AutoencoderCompressor"].append(len(content))
    print(f"max_error={bound}: {len(content)} bytes of {X_test.nbytes}, largest error "
          f"{np.abs(shown[-1].astype(int) - X_test).max()}")  # fmt: skip

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
for name, values in sizes.items():
    left.plot(bounds, 8 * np.array(values) / X_test.size, "o-", label=name)
left.set(xlabel="max_error (of 0 to 16)", ylabel="bits a pixel", ylim=(0, None), xticks=bounds)
left.legend()
images = np.stack([rows[:6].reshape(6, 8, 8) for rows in shown])
images = np.pad(images, [(0, 0), (0, 0), (1, 1), (1, 1)]).swapaxes(1, 2).reshape(40, 60)
right.imshow(images, cmap="gray_r", vmin=0, vmax=16)
right.set_yticks(np.arange(4) * 10 + 4.5, [f"within {bound}" for bound in bounds])
right.set(xticks=[], title="decompressed")
plt.show()
