"""meshtui cli."""
