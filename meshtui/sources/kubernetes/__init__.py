"""An API server as a source: HTTP requests, watches, logs, and all writes."""
