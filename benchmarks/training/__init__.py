"""What a training step takes, and what each option of training is worth."""
