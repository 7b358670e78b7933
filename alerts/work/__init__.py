"""What people at the station do with an agreed order, up to the hand-over."""
