"""The names of `handrail.train.evaluate` under which they were known until callers use that."""

from handrail.train.evaluate import evaluate_on_host as run_on_host
from handrail.train.evaluate import sampled

__all__ = ["run_on_host", "sampled"]
