#!/bin/sh
# How the pictures of this folder were made. Run it in the root of the repository.
set -e

# The gallery: tasks, driven by simple rules that have learnt nothing.
python -m tools.gallery docs/pictures

# One student after 10,000 steps, in the same episode without and with its guide.
# The first command acquires the guide, which takes some minutes. Single runs differ by processor.
handrail train --environment navigation-static --method control-switch --steps 10000 \
    --knowledge-folder runs --out runs/early
handrail record runs/early --both --seed 3 --steps 600 --every 5 --fps 20 --width 320 \
    --titles "the student alone" "the same student with a guide" \
    --out docs/pictures/with-and-without-guide.gif
