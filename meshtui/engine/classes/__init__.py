"""Pods that no rule tells apart, and which of them a rule matches."""
