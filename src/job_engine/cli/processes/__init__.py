"""The processes of an engine on one machine: their start, their end, and what they share."""
