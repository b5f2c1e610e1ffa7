"""Safety-Gymnasium's velocity tasks."""
