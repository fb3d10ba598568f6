"""Compares what the API says with what the mesh's parts have: enrolment, drift, certificates, versions."""
