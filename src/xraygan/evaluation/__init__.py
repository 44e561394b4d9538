"""Fidelity: arrays in, numbers out; nothing here knows of models or paths."""
