"""What a series of a chart is made of: the instrument that a symbol string names, its frames, its kind of bars."""
