import os
import signal
import threading

import pytest

from xraygan.signals import StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_becomes_a_wish_and_the_next_one_is_as_before(number: int) -> None:
    def taken(_number: int, _frame: object) -> None:
        raise InterruptedError

    before = signal.signal(number, taken)
    try:
        with StopRequest() as stop:
            assert stop.signal_number is None
            os.kill(os.getpid(), number)
            assert stop.signal_number == number
            with pytest.raises(InterruptedError):
                os.kill(os.getpid(), number)
        assert signal.getsignal(number) is taken
        with StopRequest():
            pass
        assert signal.getsignal(number) is taken
    finally:
        signal.signal(number, before)


def test_in_another_thread_there_are_no_signals() -> None:
    seen = []

    def work() -> None:
        with StopRequest() as stop:
            seen.append(stop.signal_number)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None]
