import signal
import subprocess
import sys
import threading

import pytest

from cartwise.interrupts import held_back

HANGING = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from cartwise.interrupts import leave

begun = threading.Event()
ThreadPoolExecutor(1).submit(lambda: (begun.set(), threading.Event().wait()))
begun.wait()
sys.stdout.write("all is done")
leave(3)
"""


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


def test_leaving_waits_for_no_pool_and_loses_no_output() -> None:
    program = [sys.executable, "-c", HANGING]
    told = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert (told.returncode, told.stdout) == (3, "all is done")
