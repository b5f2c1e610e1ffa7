"""SaGui's navigation tasks."""
