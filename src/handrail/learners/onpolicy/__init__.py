"""Learners that learn from the last steps of their own policy: CPO, PPO- and TRPO-Lagrangian."""
