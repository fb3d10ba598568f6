"""Expectations against predictions and observations."""
