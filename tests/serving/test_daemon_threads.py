import asyncio
import threading

import pytest

from cartwise.serving.daemon_threads import in_daemon


def test_work_aside_returns_and_raises_what_it_does() -> None:
    assert asyncio.run(in_daemon(lambda: 7)) == 7
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_daemon(lambda: 1 // 0))


def test_work_that_hangs_can_be_given_up_and_holds_up_no_loop() -> None:
    let_go = threading.Event()
    threads = []

    def hang() -> None:
        threads.append(threading.current_thread())
        let_go.wait()

    async def give_up() -> None:
        task = asyncio.ensure_future(in_daemon(hang))
        while not threads:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    assert threads[0].is_alive()
    assert threads[0].daemon
    let_go.set()
    threads[0].join()
