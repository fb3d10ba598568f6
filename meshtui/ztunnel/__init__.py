"""What a ztunnel says of itself: its config dump, metrics and readiness (istio/ztunnel src/admin.rs, metrics, readiness)."""
