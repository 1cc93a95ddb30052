"""A real Ray with many workers, beside the simulation of docs/scaling.md."""
