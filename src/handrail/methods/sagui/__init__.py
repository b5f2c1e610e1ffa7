"""SaGui (arXiv:2307.14316): guides, students that they keep safe, and baselines.

- *What a run is*: `settings` (with `takeover_settings`, `near_settings`, `on_policy_settings`) and
  `presets`; what does not fit is refused by `unread`, `schedule` and `acquired`.
- *Where it learns*: `problem` (source and target), `own_problems` (in environments of the user's).
- *Which methods there are*: `table`; who takes over when: `takeover`, `state_check`, `risk`; who
  learns: `agents`, `on_policy`, `inputs`.
- *Guides*: `train_guide`, `shield` (their test), `guide`, `guide_view`, `guide_file` and `cards`;
  policies of the user's: `outside_guide`, `policy_steps`; steps that are kept: `offline_batch`.
- *Students*: `train_student`, with what they bring along: `student_knowledge`, `known`,
  `pretraining`, `train_encoder`; afterwards: `pair`, `watching`.
- *What is written down*: `epochs`, `evaluations`, `metrics`.
"""
