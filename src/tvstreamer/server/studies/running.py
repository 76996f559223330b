"""A study that runs along with a series: the values of each bar, the forming one as often as it changes."""

from __future__ import annotations

from tvstreamer.constants import NO_VALUE
from tvstreamer.server.market.bars import BarRow
from tvstreamer.server.studies.formulas import formula
from tvstreamer.studies import Study


class Running:
    """One study over bars that come in order, each update of the newest one at the same small cost."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._formula = formula(study)
        self._index: int | None = None
        self._forming: BarRow | None = None

    def __repr__(self) -> str:
        return f"<Running {self.study} at bar {self._index}>"

    def update(self, index: int, bar: BarRow) -> list[float]:
        """The point of a bar on the wire: its time, then the values of all plots. A higher `index` is a later bar, the same
        one the newest bar once more."""
        if self._forming is not None and index != self._index:
            self._formula.next(self._forming, True)
        self._index, self._forming = index, bar
        values = self._formula.next(bar, False)
        return [float(bar.time), *(NO_VALUE if value is None else value for value in values)]
