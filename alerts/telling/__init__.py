"""Who is told what, when and by which way: warnings to owners, messages to stations, and their delivery."""
