"""What came out: statistics, figures, pages, tables.

- *Read*: `runs` (a folder), `finished` (an experiment), `grouping`, `recordings`.
- *Computed*: `stats`, `curves`, `density`.
- *Pages*: `html`, `script_data`, `charts`, `sections`, `why`, `player`; `experiment` and `run_page`
  put them together.
- *Figures by experiment*: `figures`, `maps`, `style`; `lava_figures`, `navigation_figures`,
  `coverage_figures`, `robustness_figures`, `parameter_sweep`.
- *On the terminal*: `console`, `compare`, `cards`, `warnings`, `robustness`.
"""
