"""The command `study`: its commands, and their tables for a terminal."""
