"""Who can talk to whom in an Istio ambient mesh, which policy decides it, and whether reality agrees."""
