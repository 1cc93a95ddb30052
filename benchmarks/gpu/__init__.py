"""Whether and how fast networks train on a GPU. Needs torch, numpy, scipy and safetensors alone."""
