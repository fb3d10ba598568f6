"""What a change would open and close."""
