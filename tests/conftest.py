import os

# One thread keeps small tensors fast and results the same on every machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
