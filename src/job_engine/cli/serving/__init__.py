"""An API server as a process: its socket, its TLS, and its application under uvicorn."""
