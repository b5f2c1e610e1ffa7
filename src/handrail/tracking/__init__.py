"""What follows runs from outside: TensorBoard, Weights & Biases."""
