"""Jobs and actions at a terminal: how people name them, and how they are shown."""
