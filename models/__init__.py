"""Training, quantization and packing of the models that the gateway runs."""
