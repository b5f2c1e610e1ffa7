"""The name of `evaluate_on_host` under which it was known until callers use that."""

from handrail.train.evaluate import evaluate_on_host as run_episodes

__all__ = ["run_episodes"]
