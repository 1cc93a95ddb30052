"""What docs show of a real run: pictures, and what is typed and printed."""
