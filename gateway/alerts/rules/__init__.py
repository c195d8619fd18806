"""What raises alerts by itself: silence, bad links, broken codecs, limits and the model."""
