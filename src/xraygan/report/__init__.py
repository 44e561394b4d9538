"""What a run has to say for itself."""
