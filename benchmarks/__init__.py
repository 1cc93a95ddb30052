"""What is measured: a folder for each benchmark, run as `python -m benchmarks.NAME`."""
