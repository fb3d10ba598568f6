"""Widgets. They draw what they are given, and don't access a cluster."""
