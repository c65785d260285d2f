import signal
import threading

import pytest

from cartwise.interrupts import held_back


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_an_interruption_waits_for_the_end_of_the_block() -> None:
    reached = []

    def interrupted() -> None:
        with held_back():
            signal.raise_signal(signal.SIGINT)
            reached.append(True)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert reached == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_block_without_interruption_leaves_everything_as_it_was() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with held_back():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_threads_that_get_no_signals_just_go_on() -> None:
    done = []

    def work() -> None:
        with held_back():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
