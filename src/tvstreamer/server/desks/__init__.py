"""Who answers a client's commands: a desk for each kind of session, and what they have in common."""
