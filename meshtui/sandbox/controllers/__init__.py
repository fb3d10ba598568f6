"""The sandbox's controllers."""
