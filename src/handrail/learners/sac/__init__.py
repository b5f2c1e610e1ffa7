"""SAC with a Lagrange multiplier: agent, critics, constraint, entropy weight."""
