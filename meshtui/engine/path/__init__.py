"""Resolution of a flow to the hops that its traffic takes."""
