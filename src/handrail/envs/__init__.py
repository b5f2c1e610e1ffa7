"""Environments: the contracts, this project's tasks, and everybody else's.

- *Contracts*: `base` (compiled), `host`, `vector_host` (on the host), `transfer` (a pair of them).
- *Tasks*: `lava`, `navigation`, `velocity`, `safety_gymnasium`; by name: `registry`;
  `episodes` (how long, and where they begin), `mujoco` (imported where it is needed).
- *Others'*: `gymnasium`, `jax_libraries`; are they fit? `conformance`, `random_walk`, `finding`,
  `wrapping`.
- *Changed*: `wrappers`, `host_wrappers`, `variants`, `host_copies`; and how a world may differ from
  the one that was learnt in: `changes`, `perturbations`, `perturbed`.
"""
