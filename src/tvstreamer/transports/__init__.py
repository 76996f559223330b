"""Edges: each module moves messages over one kind of connection and knows nothing of what they mean."""
