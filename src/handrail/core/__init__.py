"""What every room uses.

- *Values*: `types`, `informed`, `rng`, `rows`, `packing`, `splits` (seeds).
- *What users give*: `arguments`, `errors`, `plain_text`, `renamed` (older names).
- *Files*: `files`, `strict_json`, `artifact` (with `artifact_arrays`, `artifact_schemas`),
  `records` (tables of runs).
- *Which run is it?* `recorded`, `identity`, `code_digest`, `versions`.
- *JAX*: `jax_setup`, `compile_cache`, `forks`.
"""
