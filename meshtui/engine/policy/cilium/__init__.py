"""Cilium's own policies (cilium.io/v2), judged in one tier with NetworkPolicies."""
