"""What each kind of policy says: matchers that read like their specification."""
