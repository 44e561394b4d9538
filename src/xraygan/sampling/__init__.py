"""Synthetic images from a trained model."""
