"""meshtui probe."""
