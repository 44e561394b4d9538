"""Work for helper processes that goes wrong in every way."""

import os
import signal
import sys
import time
from typing import Any

from xraygan.data.headers import PassingRefusal, Refusal


def work(settings: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], list[memoryview]]:
    do = settings["do"]
    if do == "refuse":
        raise Refusal("this is refused")
    if do == "pass":
        raise PassingRefusal("not on this machine")
    if do == "fail":
        raise KeyError("nobody expects this")
    if do == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if do == "spin":
        while True:
            pass
    if do == "sleep":
        time.sleep(settings["seconds"])
    if do == "allocate":
        return {"bytes": len(bytearray(settings["bytes"]))}, []
    if do == "chatter":
        print("patient DOE^JOHN")
        os.write(1, b"patient DOE^JOHN\n")
        os.write(2, b"patient DOE^JOHN\n")
        sys.stderr.write("patient DOE^JOHN\n")
    return {"pid": os.getpid()}, [memoryview(payload), memoryview(payload)]
