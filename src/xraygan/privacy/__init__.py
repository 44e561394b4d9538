"""Privacy: what synthetic images give away about the patients a generator was trained on."""
