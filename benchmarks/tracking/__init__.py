"""What recording costs, beside Ray's own callback."""
