"""Labelled synthetic chest X-rays, with the evidence that a decision to share them needs."""

from typing import TYPE_CHECKING, Any

from xraygan.version import __version__

if TYPE_CHECKING:
    from xraygan.api import (
        audit,
        evaluate,
        explore,
        export_data,
        export_model,
        generate,
        prepare,
        report,
        run,
        train,
    )

__all__ = [
    "__version__",
    "audit",
    "evaluate",
    "explore",
    "export_data",
    "export_model",
    "generate",
    "prepare",
    "report",
    "run",
    "train",
]


def __getattr__(name: str) -> Any:
    """The Python API, imported when it is first asked for."""
    if name in __all__:
        from xraygan import api

        return getattr(api, name)
    raise AttributeError(f"module 'xraygan' has no attribute '{name}'")
