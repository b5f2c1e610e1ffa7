"""How a transition is decided and stored (`step`), and the loops, roll-outs and runs around it."""
