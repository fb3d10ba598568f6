"""What one layer says, and which layer decides."""
