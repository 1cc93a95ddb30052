"""What the tests cost, and which processes use the processor."""
