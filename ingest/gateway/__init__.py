"""The TCP side of GB/T 32960: vehicles and platforms in, raw frames to the broker, answers back."""
