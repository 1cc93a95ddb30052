"""Ray clusters: their capacity, the jobs on them, submission and credentials."""
