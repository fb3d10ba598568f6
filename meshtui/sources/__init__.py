"""meshtui sources."""
