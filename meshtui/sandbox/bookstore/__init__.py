"""The services of the sandbox's bookstore."""
