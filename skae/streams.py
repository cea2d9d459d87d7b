"""Rows that do not fit into memory."""

from .rows.blocks import Blocks

__all__ = ["Blocks"]
