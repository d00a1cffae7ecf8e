"""How much of a film there is by its container's word, and whether all of it came out."""

from __future__ import annotations

import re
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

_TAG = re.compile(r"(\d+):(\d+):([\d.]+)")
_CLOCKS = ("mpegts", "mpeg")  # broadcast's: they begin anywhere, which says nothing about the film
_FAR_S = 60  # a film that begins later than this does so by such a clock too, whatever it was put into
_SHORT_S = 1.0  # a clip may end this much before the end it states; more means cut off


class Extent:
    """Counts a stream's packets, and tells at the end what is missing.

    total: how many pictures there are; None when the container does not say.
    origin: pts at which the film begins, pictures or sound: 0 wherever the container's clock is the film's.
    end_s: when the last picture ends, from there, where the container says so exactly.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, rate: Fraction) -> None:
        """rate: pictures a second; the stream must have a time base."""
        assert stream.time_base is not None
        self._container, self._stream, self._rate = container, stream, rate
        self._time_base = stream.time_base
        self._start_s = (stream.start_time or 0) * self._time_base
        self._kind = container.format.name.split(",")[0]
        self._indexed = len(stream.index_entries)
        self._packets = 0
        self._end_dts = 0
        by_length = self._stated_end_s()
        self.total = (
            len(self._samples(shown=True))
            or stream.frames
            or (round((by_length - self._start_s) * rate) if by_length else None)
        )
        self.origin = self._origin()
        exact = stream.duration if self._kind != "matroska" else None
        from_s = self._start_s - self.origin * self._time_base
        self.end_s = from_s + exact * self._time_base if exact else None

    def count(self, packet: Packet[VideoStream]) -> None:
        """Takes note of a packet that was read, in the order of the file."""
        if packet.size:
            self._packets += 1
            if packet.dts is not None:
                self._end_dts = packet.dts + (packet.duration or 1)

    def missing(self, last_s: float) -> str | None:
        """What the file lacks, in words; None when it is whole. last_s: when the last picture begins, from
        the origin.

        To be asked when nothing more is read: a demuxer that meets the end of the file too early does
        not always say so.
        """
        if self._kind == "avi" and self._stream.frames:
            return self._missing_of_avi(self._stream.frames)
        frames = len(self._samples()) or self._stream.frames
        if self._packets < frames:
            return f"it holds {self._packets} of {frames} frames"
        end_s = self._stated_end_s()
        last_s += float(self.origin * self._time_base)
        if not self._stream.frames and end_s and last_s < end_s - _SHORT_S - 2 / self._rate:
            return _short(last_s, float(end_s))
        return None

    def _missing_of_avi(self, ticks: int) -> str | None:
        """An AVI's head counts the times at which nothing is shown anew too, and never gives those.

        Without them at the very end, the last packet ends where the head says. With them it ends earlier
        and the index, which is lost with a file's end, has no more.
        """
        whole_index = self._packets == self._indexed
        allowed = round(_SHORT_S * self._rate) if whole_index else 0  # short films are indexed on opening
        if self._end_dts + allowed >= ticks:
            return None
        return _short(float(self._end_dts * self._time_base), float(ticks * self._time_base))

    def _origin(self) -> int:
        start_s = Fraction(self._container.start_time or 0, av.time_base)
        return round(start_s / self._time_base) if self._kind in _CLOCKS or start_s > _FAR_S else 0

    def _samples(self, *, shown: bool = False) -> list[int]:
        """Sizes of what an MP4 or MOV will give; an edit list may leave out much of what its head counts.

        shown: without what is decoded only for what comes after it.
        """
        if self._kind != "mov":
            return []
        entries = self._stream.index_entries
        return [entry.size for entry in entries if entry.size and not (shown and entry.is_discard)]

    def _stated_end_s(self) -> Fraction | None:
        """The container's word for when pictures end, which may be that for sound."""
        alone = len(self._container.streams) == 1
        whole_s = Fraction(self._container.duration or 0, av.time_base) if alone else Fraction(0)
        if self._kind == "matroska":  # counts from 0, wherever the first picture is
            written = _TAG.fullmatch(self._stream.metadata.get("DURATION", ""))
            if not written:
                return whole_s or None
            hours, minutes, seconds = (Fraction(part) for part in written.groups())
            return hours * 3600 + minutes * 60 + seconds
        length_s = (self._stream.duration or 0) * self._time_base or whole_s
        return self._start_s + length_s if length_s else None


def _short(end_s: float, stated_s: float) -> str:
    return f"pictures end at {end_s:.2f} s of {stated_s:.2f} s"
