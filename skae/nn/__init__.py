"""Torch modules: layers, architectures, and the encoder-decoder that holds them."""
