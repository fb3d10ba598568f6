"""meshtui apiserver."""
