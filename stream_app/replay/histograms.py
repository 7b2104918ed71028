"""Distributions of times: HdrHistogram, from a microsecond to an hour, to three significant digits."""

import binascii
import zlib
from typing import Final, Self

from hdrh.codec import HdrCookieException, HdrLengthException  # type: ignore[import-untyped]
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

from stream_app.core.errors import PrismError
from stream_app.exit_codes import LoadTestCode
from stream_app.replay.measurements import Percentiles

MICROSECONDS: Final = 1_000_000
HIGHEST: Final = 3_600 * MICROSECONDS
DIGITS: Final = 3


class HistogramError(PrismError):
    """An encoded histogram cannot be read."""

    exit_code = LoadTestCode.USAGE


class Histogram:
    """Counts times in buckets that are at most a thousandth of the time wide."""

    def __init__(self) -> None:
        self._counts = HdrHistogram(1, HIGHEST, DIGITS)

    @classmethod
    def from_percentiles(cls, percentiles: Percentiles) -> Self:
        """Read the whole histogram out of what a report keeps of it.

        Raises:
            HistogramError: the encoded histogram is damaged.
        """
        histogram = cls()
        if percentiles.encoded:
            histogram._add(percentiles.encoded)
        return histogram

    @property
    def count(self) -> int:
        """How many times were recorded."""
        return int(self._counts.get_total_count())

    def record(self, seconds: float, count: int = 1) -> None:
        """Count a time; one below 0 as 0, one above an hour as an hour."""
        self._counts.record_value(min(max(round(seconds * MICROSECONDS), 0), HIGHEST), count)

    def merge(self, other: "Histogram") -> None:
        """Add what another histogram has counted, in this process or another."""
        self._counts.add(other._counts)

    def find(self, percentile: float) -> float | None:
        """Find the time that this percentage of all do not exceed, to the width of a bucket; None without times."""
        if not self.count:
            return None
        return float(self._counts.get_value_at_percentile(percentile)) / MICROSECONDS

    def to_percentiles(self) -> Percentiles:
        """Sum up for a report."""
        return Percentiles(
            count=self.count,
            p50=self.find(50),
            p90=self.find(90),
            p99=self.find(99),
            p999=self.find(99.9),
            maximum=self._counts.get_max_value() / MICROSECONDS if self.count else None,
            encoded=self._counts.encode().decode("ascii"),
        )

    def _add(self, encoded: str) -> None:
        try:
            self._counts.decode_and_add(encoded)
        except (HdrCookieException, HdrLengthException, zlib.error, binascii.Error, ValueError, TypeError) as error:
            raise HistogramError(f"the encoded histogram cannot be read: {error}") from error
