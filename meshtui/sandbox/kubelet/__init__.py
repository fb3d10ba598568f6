"""meshtui kubelet."""
