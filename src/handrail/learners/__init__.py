"""Agents: what all of them promise is in `base`; SAC-Lagrangian, Q-learning, representations."""
