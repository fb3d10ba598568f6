"""The panel that leads through a drill or the tour of ``meshtui demo``."""
