"""The sandbox's API server."""
