"""What a client that fell behind is told: where things stand, in place of all that happened on the way."""

from __future__ import annotations

from collections.abc import Iterable

from tvstreamer.protocol.packets import DataUpdate, Reply, TimescaleUpdate


def conflate(replies: Iterable[Reply]) -> list[Reply]:
    """Of the updates of a running bar only the last; every bar keeps its final state, and none is left out."""
    told: list[Reply] = []
    running: dict[tuple[str, tuple[str, ...]], DataUpdate] = {}
    for reply in replies:
        if isinstance(reply, DataUpdate):
            key = (reply.p.session, tuple(reply.p.objects))
            # Out and in again: the order is that of the last updates.
            running.pop(key, None)
            running[key] = reply
            continue
        if isinstance(reply, TimescaleUpdate):
            # A bar begins, so that what was running in this session is final.
            for key in [key for key in running if key[0] == reply.p.session]:
                told.append(running.pop(key))
        told.append(reply)
    return [*told, *running.values()]
