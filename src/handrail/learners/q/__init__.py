"""Deep Q-learning: agent, updates, values."""
