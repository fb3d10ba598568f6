"""The sandbox's kubelet, which runs pods as local processes."""
