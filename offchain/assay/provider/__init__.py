"""The provider worker: serves signed jobs, posts claims, defends them in games."""
