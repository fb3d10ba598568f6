"""The result of one layer, and the layer that decides."""
