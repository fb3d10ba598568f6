"""The verdicts of all pairs at once: pods are grouped into classes, and pairs of classes are stored as bitsets."""
