"""meshtui engine."""
