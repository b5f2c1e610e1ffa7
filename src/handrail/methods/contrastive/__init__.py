"""Contrastive safety transfer (arXiv:2503.10318): a prior, an encoder, students with both.

`settings` says what a run is, `table` which methods there are, `problem` what they are run on;
`train_prior`, `train_encoder` and `train_student` run them, `artefacts` writes and reads the files.
"""
