"""Building the baseline networks: TFJS weights of two npm packages → ONNX files, the same bytes everywhere.

Needs the `onnx` package (extra `models`); nothing outside this package imports it, so a worker runs without it.
"""
