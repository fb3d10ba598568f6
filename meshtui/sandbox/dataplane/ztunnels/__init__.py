"""What the sandbox's ztunnels and istiod say of themselves: config dumps, metrics, readiness, synchronization.

The formats are istio/ztunnel's and istio/istio's; the content is what the data plane has applied.
"""
