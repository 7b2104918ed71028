"""The pure heart: no clock, no environment, no log, no I/O."""
