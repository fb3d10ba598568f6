"""meshtui checkout."""
