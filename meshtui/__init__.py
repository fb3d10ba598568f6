"""Who can talk to whom in an Istio ambient mesh, which policy decides it, and whether reality agrees."""

__version__ = "0.1.0"
"""The one place where the version stands: the package's metadata is built from it (pyproject.toml)."""
