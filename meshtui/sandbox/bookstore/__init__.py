"""meshtui bookstore."""
