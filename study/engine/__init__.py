"""Engines that compute the training of a network: torch's, and a compiled one for processors."""
