"""May a guide be trusted in a target? What is measured, and the verdict."""
