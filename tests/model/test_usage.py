import time
from itertools import pairwise

from cartwise.model.usage import measured


def test_work_of_this_process_shows_in_its_samples() -> None:
    with measured() as samples:
        held = bytearray(200_000_000)
        end = time.process_time() + 0.3
        while time.process_time() < end:
            held[0] ^= 1
    last = samples[-1].used
    assert last["system/process_memory_megabytes"] > 200
    assert last["system/process_cpu_percentage"] > 0
    assert 0 < last["system/system_memory_usage_percentage"] <= 100
    times = [sample.unix_milliseconds for sample in samples]
    assert times == sorted(times)


def test_samples_are_never_of_an_instant() -> None:
    with measured() as samples:
        while not samples:
            pass
    times = [sample.unix_milliseconds for sample in samples]
    assert all(later - earlier >= 90 for earlier, later in pairwise(times))
