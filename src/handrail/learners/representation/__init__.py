"""The contrastive auto-encoder, and agents that learn one."""
