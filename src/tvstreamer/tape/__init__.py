"""Tapes: recorded sessions as JSON Lines, written while they happen and read as a stream. See docs/tape-format.md."""
