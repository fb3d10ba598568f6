"""Observations in a session, without a probe."""


def store(session, observation):
    """Store an observation as a probe that ends now does."""
    session._observe(observation, session._judges(session.verdict(observation.flow)))
