"""What a repair costs, line by line, and who pays it."""
