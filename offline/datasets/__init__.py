"""Where training data comes from: one adapter a file, each giving ranking events of one item."""
