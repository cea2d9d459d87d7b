"""The plain, deep and linear autoencoder."""

from dataclasses import dataclass

from ._base import BaseAutoencoder


@dataclass(eq=False, repr=False)
class Autoencoder(BaseAutoencoder):
    """Autoencoder."""
