"""WHEN to step in (`triggers`, `near_unsafe`) × WHAT acts instead (`substitutes`); recipes."""
