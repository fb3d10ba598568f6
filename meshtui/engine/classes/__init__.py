"""Classes of pods that no rule distinguishes, and which classes a rule matches."""
