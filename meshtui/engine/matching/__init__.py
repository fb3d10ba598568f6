"""Matching of addresses, labels, paths and hosts."""
