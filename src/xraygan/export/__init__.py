"""Synthetic images and models in the forms that other tools take."""
