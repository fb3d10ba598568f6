"""meshtui model."""
