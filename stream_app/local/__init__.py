"""What development needs on one machine: an embedded broker, and the demo with its data, ranker, traffic and screen."""
