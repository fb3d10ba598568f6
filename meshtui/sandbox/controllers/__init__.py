"""meshtui controllers."""
