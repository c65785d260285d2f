import asyncio
import contextlib

from cartwise.serving.upkeep import every


def test_nothing_that_goes_wrong_ends_what_a_server_does_again_and_again() -> None:
    done: list[int] = []

    async def work() -> None:
        done.append(len(done))
        if len(done) < 3:
            raise PermissionError("the folder of keys cannot be entered")

    async def enough() -> None:
        task = asyncio.ensure_future(every(0.001, work)())
        while len(done) < 5 and not task.done():
            await asyncio.sleep(0.001)
        assert not task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(enough())
    assert len(done) >= 5
