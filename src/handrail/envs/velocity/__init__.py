"""Safety-Gymnasium's velocity tasks: Gymnasium's MuJoCo robots, and a cost above a speed."""
