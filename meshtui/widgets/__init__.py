"""meshtui widgets."""
