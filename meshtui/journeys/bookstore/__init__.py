"""The bookstore's checkout and its acceptance criteria."""
