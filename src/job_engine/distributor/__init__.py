"""Distributors: each distribution makes jobs on a schedule, whoever of its contenders leads it."""
