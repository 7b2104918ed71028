"""Logs and metrics: ids and counts, never texts, titles or user ids."""

from stream_app.telemetry.logs import configure_logging
from stream_app.telemetry.metrics import Metrics, PartitionLag

__all__ = ["Metrics", "PartitionLag", "configure_logging"]
