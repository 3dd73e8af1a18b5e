"""From what a planner handed in to a checked TaskSpec; pure, and without the repository."""
