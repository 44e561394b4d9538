"""Labelled synthetic chest X-rays that may be shared, with the evidence."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["generate", "prepare", "run", "train"]


def __getattr__(name: str) -> Any:
    """The Python API, imported when it is first asked for."""
    if name in __all__:
        from xraygan import api

        return getattr(api, name)
    raise AttributeError(f"module 'xraygan' has no attribute '{name}'")
