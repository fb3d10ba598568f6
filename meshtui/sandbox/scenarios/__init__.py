"""meshtui scenarios."""
