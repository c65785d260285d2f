"""Real servers on this machine, without containers: for tests, CI and a closer look.

One file per server; ``python -m deploy.services up`` starts them, ``down`` ends them. Everything
listens on 127.0.0.1, lies in ``.services/`` and has secrets of its own, made at the first start.
"""
