"""SAC with a Lagrange multiplier.

`lagrangian` is one update, `agent` acts, stores and learns with it; `networks` and `state` are what
is learnt. Parts of the update: `constraint`, `cost_floor`, `entropy`, `intrinsic`, `pull` (towards
a guide), `source_data`, `worst_case` (CVaR), `adam`. On the host without JAX: `host_policy`.
"""
