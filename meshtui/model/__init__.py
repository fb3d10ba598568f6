"""The types that all packages above the sources share: immutable, without I/O."""
