"""Sources of Snapshots: a cluster, or manifests."""
