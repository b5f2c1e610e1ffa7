"""How a transition is decided and stored (`step`), and the loops, roll-outs and runs around it.

- *Loops*: `compiled`, `vector` (several compiled environments), `host` (`host_steps`, `stepper`,
  `steppers`, `side_by_side`); `loops` chooses; many runs as one program: `vmapped`, `together`.
- *A run in its folder*: `run` (in chunks: `course`), `run_folder`, `checkpoint`; what is refused or
  noted meanwhile: `health`, `numbers`, `evidence`, `step_statistics`.
- *Without learning*: `rollout`, `evaluate`, `evaluate_pair`, `warnings`.
"""
