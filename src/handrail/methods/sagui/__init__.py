"""SaGui (arXiv:2307.14316): guides, students that they keep safe, and baselines."""
