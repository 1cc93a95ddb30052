"""The best networks of the studies beyond*.toml, raced with fresh seeds and judged on test images."""
