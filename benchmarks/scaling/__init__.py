"""How a study behaves from 1 to 1,000 GPUs."""
