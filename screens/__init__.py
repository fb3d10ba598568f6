"""meshtui screens."""
