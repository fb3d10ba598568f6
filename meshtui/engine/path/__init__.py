"""From the words of a flow to the hops that its traffic takes."""
