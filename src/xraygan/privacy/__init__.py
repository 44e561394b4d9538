"""What a data set may give away."""
