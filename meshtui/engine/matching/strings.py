"""Matching of strings with a star, as in istiod and ztunnel (istio/ztunnel src/rbac.rs, StringMatch)."""

from __future__ import annotations


def string_matches(pattern: str, value: str) -> bool:
    """``*`` matches every non-empty string; ``*suffix``; ``prefix*``; else exact. ``*x*`` is the suffix ``x*``."""
    if pattern == "*":
        return value != ""
    if pattern.startswith("*"):
        return value.endswith(pattern[1:])
    if pattern.endswith("*"):
        return value.startswith(pattern[:-1])
    return value == pattern
