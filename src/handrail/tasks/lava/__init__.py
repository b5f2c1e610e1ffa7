"""MiniGrid's lava worlds: settings of rows, problems, acquired knowledge, students, episodes."""
