"""Parses log lines of ztunnel and Envoy into typed records. No other package uses the names of their fields."""
