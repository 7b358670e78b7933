"""Messages of systems that owners already run, read by mapping files: OVMS v3, TeslaMate, any JSON."""
