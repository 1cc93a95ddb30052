"""The effect of training recipes on dendritic networks and controls."""
