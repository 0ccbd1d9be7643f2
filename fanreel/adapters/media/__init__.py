"""Media access: where bytes come from, what a container holds, its frames and its sound."""
