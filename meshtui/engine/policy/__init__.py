"""The evaluation of each kind of policy. The matchers follow the structure of their specifications."""
