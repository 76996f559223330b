"""What all tests share: where recordings come from."""

import pytest


@pytest.fixture(scope="session")
def tv_config() -> dict[str, object]:
    """Tapes are recorded from the fake server, so that everybody can make them again, anywhere and to the same end.

    Without this they would be recorded from TradingView.
    """
    return {"source": "fake:seed=7,speed=max"}
