"""How long answers take of studies with thousands of trials."""
