"""Comparison of expectations with predictions and observations."""
