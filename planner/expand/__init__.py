"""What Git says of releases, Kustomizations, blueprints and profiles → the objects it comes to."""
