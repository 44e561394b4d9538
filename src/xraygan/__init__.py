"""Labelled synthetic chest X-rays that may be shared, with the evidence."""

__version__ = "0.1.0"
