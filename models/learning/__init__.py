"""What is learned from examples on top of the physics: maps of risk to probability, learners, drift."""
