"""The types that everything above the sources speaks in: immutable, without I/O."""
