"""Where tasks are computed: on this machine, on a Ray cluster, by Slurm."""
