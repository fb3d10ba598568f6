"""meshtui styles."""
