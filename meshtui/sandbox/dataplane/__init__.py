"""meshtui dataplane."""
