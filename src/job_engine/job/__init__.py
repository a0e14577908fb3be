"""The job as a value: its states, attributes, arithmetic and wire messages. No I/O, imports nothing of ours."""
