"""How addresses, labels, paths and hosts match."""
