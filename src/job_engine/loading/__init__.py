"""Finds and imports the modules in which people define actions and distributions."""
