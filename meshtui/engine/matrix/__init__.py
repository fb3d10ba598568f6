"""All pairs at once: classes of pods before pairs, and bitsets over the pairs."""
