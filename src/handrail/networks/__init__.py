"""Networks: what they read, their layers, and what they say."""
