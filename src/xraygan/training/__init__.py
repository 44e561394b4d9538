"""The adversarial game: TensorFlow-only code."""
