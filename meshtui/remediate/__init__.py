"""Apply a finding's fix, probe the flows that it should change, undo it."""
