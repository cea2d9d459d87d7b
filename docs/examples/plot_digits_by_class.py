"""
Generate: new digits of a class you name
========================================

:class:`~skae.VariationalAutoencoder` learns a distribution of rows; given the class as a
condition, it draws new rows of the class that is asked for. The code then holds what the class
does not say: slant, width, weight of the stroke. A classifier that was trained on real digits
judges the new ones.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from skae import VariationalAutoencoder

X, y = load_digits(return_X_y=True)
model = VariationalAutoencoder(8, categorical_condition=True, random_state=0)
model.fit(X, condition=y)

asked = np.repeat(np.arange(10), 12)
new = model.sample(len(asked), condition=asked, random_state=0)
right = SVC().fit(X, y).score(new, asked)
print(f"a support vector machine reads {right:.1%} of the new digits as what was asked for")

figure, grid = plt.subplots(10, 12, figsize=(6.5, 5.6), layout="constrained")
for cell, image in zip(grid.flat, new, strict=True):
    cell.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
    cell.set(xticks=[], yticks=[])
for digit, axes in enumerate(grid):
    axes[0].set_ylabel(digit, rotation=0, ha="right", va="center")
figure.suptitle("new digits, each line of the class that was asked for")
plt.show()
