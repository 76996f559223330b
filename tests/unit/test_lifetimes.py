"""Who is told what opens and closes."""

from __future__ import annotations

from tvstreamer.lifetimes import Watch, current_watch, watch_with


class Thing:
    def close(self) -> None: ...


def test_a_watch_keeps_what_is_open_in_its_order() -> None:
    watch, one, two, three = Watch(), Thing(), Thing(), Thing()
    for thing in (one, two, one, three):
        watch.opened(thing)
    watch.closed(two)
    watch.closed(Thing())
    assert watch.end() == [one, three]


def test_a_watch_that_has_ended_keeps_nothing() -> None:
    watch, thing = Watch(), Thing()
    watch.opened(thing)
    assert watch.end() == [thing]
    watch.opened(thing)
    watch.closed(thing)
    assert watch.end() == []


def test_without_a_watch_nobody_is_told() -> None:
    before = watch_with(None)
    try:
        nobody = current_watch()
        nobody.opened(Thing())
        assert nobody.end() == []
        nobody.closed(Thing())
        nobody.uses("/a.jsonl")
        watch = Watch()
        assert watch_with(watch) is None
        assert current_watch() is watch
        assert watch_with(None) is watch
    finally:
        watch_with(before)
