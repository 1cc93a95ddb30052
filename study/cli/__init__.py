"""The command `study`: its commands and their tables."""
