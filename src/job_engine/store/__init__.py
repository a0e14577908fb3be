"""The record: jobs in a database. ``jobs`` is the only module that changes a job."""
