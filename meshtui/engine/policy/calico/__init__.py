"""Calico's own policies (projectcalico.org/v3), judged in one order with NetworkPolicies and the admin tiers."""
