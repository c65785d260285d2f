"""Quix Streams counting the events of users: one of the entities that a worker of ours keeps.

Run by an interpreter that has quixstreams: ``python stream_quix.py BOOTSTRAP TOPIC EVENTS FOLDER``.
"""

import json
import sys
import time
from datetime import datetime

from quixstreams import Application

HALF_LIVES = (3600, 86_400, 604_800, 2_419_200)
LANDMARK = 2_419_200


def main() -> None:
    bootstrap, topic, events, folder = sys.argv[1:]
    seconds: list[float] = []

    def count(event: dict, state) -> None:
        seconds.append(time.perf_counter())
        moment = datetime.fromisoformat(event["event_time"]).timestamp()
        name = event["event_type"]
        kept = state.get(name) or {"landmark": moment // LANDMARK, "sums": [0.0] * 4, "last": 0}
        since = moment - kept["landmark"] * LANDMARK
        kept["sums"] = [s + 2 ** (since / h) for s, h in zip(kept["sums"], HALF_LIVES, strict=True)]
        kept["last"] = max(kept["last"], moment)
        state.set(name, kept)

    app = Application(
        broker_address=bootstrap,
        consumer_group=f"quix-{time.time_ns()}",
        auto_offset_reset="earliest",
        state_dir=folder,
        loglevel="ERROR",
    )
    source = app.topic(topic, key_deserializer="str", value_deserializer="json")
    app.dataframe(source).update(count, stateful=True)
    app.run(count=int(events), timeout=60)
    taken = len(seconds) - 1
    sys.stdout.write(json.dumps({"events": taken, "seconds": seconds[-1] - seconds[0]}) + "\n")


if __name__ == "__main__":
    main()
