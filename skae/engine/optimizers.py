"""Optimizers that have a name."""

import torch

OPTIMIZERS = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
}
FUSED = (torch.optim.AdamW, torch.optim.Adam, torch.optim.SGD)
