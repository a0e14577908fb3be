"""The executor: a supervisor that speaks with the source of jobs, and worker processes whose slots run the actions."""
