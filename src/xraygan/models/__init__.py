"""The networks, as plain Keras models, and how they are stored."""
