"""meshtui sandbox."""
