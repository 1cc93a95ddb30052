"""The spec of a study: its search space, metrics and constraints."""
