"""meshtui findings."""
