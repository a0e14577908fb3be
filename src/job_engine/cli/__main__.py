"""``python -m job_engine.cli``: how ``up`` starts its parts, whatever is on the PATH."""

from job_engine.cli import main

if __name__ == "__main__":
    main()
