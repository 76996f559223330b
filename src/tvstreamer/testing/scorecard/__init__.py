"""The client conformance kit: scenarios that a streaming client has to get through, and a scorecard of how it did.

The client may be a program in any language, or a Python function. It is judged from the outside: by what it does to a fake
server, and by the bars that it prints, one JSON object a line. No test framework is needed.
"""

from tvstreamer.testing.scorecard.card import Result, Scorecard
from tvstreamer.testing.scorecard.clients import Client, Command, Function, Task
from tvstreamer.testing.scorecard.scenarios import SCENARIOS
from tvstreamer.testing.scorecard.scoring import score_client
from tvstreamer.testing.scorecard.stage import Scenario

__all__ = ["SCENARIOS", "Client", "Command", "Function", "Result", "Scenario", "Scorecard", "Task", "score_client"]
