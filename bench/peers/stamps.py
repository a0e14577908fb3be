"""What the stamping task does, the same in every system."""

import time


def write(path: str, sent: float) -> None:
    """Notes when the job was sent and that it starts now; to be called first thing."""
    now = time.time()
    with open(path, "a") as stamps:
        stamps.write(f"{sent} {now}\n")
