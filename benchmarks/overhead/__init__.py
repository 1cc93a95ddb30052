"""The overhead per trial, compared with plain Ray Tune."""
