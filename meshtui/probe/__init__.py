"""Tests flows with short-lived pods: plan, podspec and classify are pure; launch and cleanup talk to the cluster."""
