"""What a fake server answers over HTTP: the pages around the feed, and the control port."""
