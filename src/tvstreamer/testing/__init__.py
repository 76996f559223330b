"""Tools for tests of your own: nothing in here is needed to stream, and nothing is imported until you ask for it."""
