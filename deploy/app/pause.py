#!/usr/bin/env python
"""Nuvla's name for a container that is only kept: it pauses itself. A NuvlaEdge keeps the image of its jobs so."""

import socket
import subprocess
import sys

if __name__ == "__main__":
    # Docker calls a container by its id, unless it is told a name; needs the engine's socket.
    sys.exit(subprocess.run(["docker", "pause", socket.gethostname()]).returncode)
