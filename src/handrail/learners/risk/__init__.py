"""Critics of risk that are learnt in the target, beside the task."""
