"""From other formats to tapes."""
