"""The embedded cluster of ``meshtui demo`` and ``meshtui sandbox``."""
