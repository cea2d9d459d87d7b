"""A row format, written by docs/architecture.md alone, and a family that takes it."""

import numpy as np

from skae import Autoencoder
from skae.rows.given import FLOATS
from skae.rows.table import Table


class Angles(Table):
    """Angles in degrees, each of which is a point on the circle to the net."""

    def learn(self, X, owner=None, dtype=FLOATS):
        rows = super().learn(X, owner, dtype)
        self.n_numbers = 2 * self.n_features
        return circled(rows)

    def rows(self, X, owner=None, dtype=FLOATS):
        return circled(super().rows(X, owner, dtype))

    def restore(self, rows, like=None, adapter=None):
        sines, cosines = np.hsplit(rows, 2)
        return super().restore(np.degrees(np.arctan2(sines, cosines)) % 360, like, adapter)


def circled(rows):
    """The sines, and after them the cosines."""
    return np.hstack([np.sin(np.radians(rows)), np.cos(np.radians(rows))])


class AngleAutoencoder(Autoencoder):
    """Nonlinear PCA of angles."""

    _formats = (Angles,)
