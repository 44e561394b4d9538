"""The studio: a local page on runs, their models, and readers of their images."""
