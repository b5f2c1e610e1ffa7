"""Safety-Gymnasium's tasks Goal2, Button1, Push1 and Circle1, on MuJoCo."""
