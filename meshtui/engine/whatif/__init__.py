"""The flows that a change would open and close."""
