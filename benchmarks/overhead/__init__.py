"""What the machinery costs a trial, beside Ray Tune as it comes."""
