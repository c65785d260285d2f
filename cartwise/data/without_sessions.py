"""What to do about a log whose purchases name no session, where labels ask for one."""

import polars as pl

from cartwise.counting import counted
from cartwise.data.lake import scanned_day
from cartwise.data.log import Log
from cartwise.errors import NotEnoughData


def require_sessions(log: Log) -> None:
    """Raise NotEnoughData where there are purchases, but none of them names its session."""
    purchases = named = 0
    for day in log.days:
        with scanned_day(log.lake, day) as events:
            bought = events.filter(pl.col("event_type") == "purchase").select("user_session")
            sessions = bought.collect(engine="streaming")["user_session"]
        purchases += len(sessions)
        named += sessions.count()
    if purchases and not named:
        raise NotEnoughData(
            f"user_session is empty in each of the log's {counted(purchases, 'purchase')}, so none "
            "can be told to be of its cart's session: pass --label-scope user, by which a purchase "
            "in any session of the user counts"
        )
