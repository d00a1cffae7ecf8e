"""Encodes each picture once and hands the packets to every viewer.

aiortc would run one encoder per viewer. Here a track yields finished packets instead, so that three
viewers cost one encoder. The price: a keyframe for one viewer is a keyframe for all.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, cast

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from core.types import U8, Picture
from live.i420 import i420_of

if TYPE_CHECKING:
    from av.video.stream import VideoStream

    VideoPacket = av.Packet[VideoStream]

log = logging.getLogger(__name__)

Codec = Literal["H264", "VP8"]

RTP_RATE = 90_000  # RFC 6184 and RFC 7741: video ticks a second
TIME_BASE = Fraction(1, RTP_RATE)
BITS_PER_PIXEL = 0.2  # at 30 pictures a second 5.5 Mb/s for 1280x720; viewers are on this machine
MIN_BITRATE, MAX_BITRATE = 1_000_000, 25_000_000
KEYFRAME_EVERY = 3000  # pictures; viewers ask for keyframes, and one by itself would only cause a burst
QUEUE_PACKETS = 30  # a second of pictures; a viewer who is further behind starts again at a keyframe
# Outside these steps the times are another clock's (a film that starts again): no late picture, no pause.
LARGEST_STEP_BACK_NS, LARGEST_STEP_NS = 1_000_000_000, 10_000_000_000


def bitrate(size: tuple[int, int], fps: float) -> int:
    """Bits a second that suit a size (width, height) and a rate."""
    wanted = int(size[0] * size[1] * fps * BITS_PER_PIXEL)
    return max(MIN_BITRATE, min(wanted, MAX_BITRATE))


class RtpClock:
    """Turns capture times into RTP times: strictly increasing, and true to the capture times."""

    def __init__(self) -> None:
        self._origin_ns: int | None = None
        self._last = -1

    def pts(self, time_ns: int) -> int:
        """Ticks of 1/90000 s since the first picture. A clock that starts again is carried on."""
        if self._origin_ns is None:
            self._origin_ns = time_ns
        elapsed_ns = time_ns - self._origin_ns
        next_ns = -(-(self._last + 1) * 1_000_000_000 // RTP_RATE)  # rounded up, to fall on that tick
        if not -LARGEST_STEP_BACK_NS <= elapsed_ns - next_ns <= LARGEST_STEP_NS:
            self._origin_ns = time_ns - next_ns
            elapsed_ns = next_ns
        self._last = max(self._last + 1, elapsed_ns * RTP_RATE // 1_000_000_000)
        return self._last


class Encoder:
    """One running H.264 or VP8 encoder. Called by one thread at a time.

    rate: bits a second.
    keyframe_every: pictures from one keyframe to the next, where none is asked for.
    """

    def __init__(
        self, codec: Codec, size: tuple[int, int], fps: float, rate: int, keyframe_every: int = KEYFRAME_EVERY
    ) -> None:
        name = "libx264" if codec == "H264" else "libvpx"
        context = cast(VideoCodecContext, av.CodecContext.create(name, "w"))
        context.width, context.height = size
        context.pix_fmt = "yuv420p"
        context.time_base = TIME_BASE
        context.framerate = Fraction(max(1, round(fps)), 1)
        context.bit_rate = rate
        context.gop_size = keyframe_every
        context.max_b_frames = 0
        context.thread_count = 2 if size[0] * size[1] > 1280 * 720 else 1
        # The buffer bounds keyframes to a quarter of a second's bits.
        options = {"maxrate": str(rate), "bufsize": str(rate // 4)}
        if codec == "H264":
            context.profile = "Baseline"
            # ultrafast leaves the deblocking filter out; with it blocks are not seen, for 1 ms more.
            # The colours are said in the stream: without, some players take BT.709 from 720 lines on.
            params = "no-deblock=0:deblock=0,0:colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m"
            options |= {
                "preset": "ultrafast",
                "tune": "zerolatency",
                "x264-params": params,
                "forced-idr": "1",
            }
        else:
            options |= {"deadline": "realtime", "cpu-used": "-8", "lag-in-frames": "0", "minrate": str(rate)}
        context.options = options
        self._context = context

    def encode(self, yuv: U8, pts: int, keyframe: bool) -> list[VideoPacket]:
        """Packets of one picture in the layout of `i420_of`, in time base 1/90000."""
        frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
        frame.pts, frame.time_base = pts, TIME_BASE
        frame.pict_type = PictureType.I if keyframe else PictureType.NONE
        packets = self._context.encode(frame)
        for packet in packets:
            packet.pts, packet.time_base = pts, TIME_BASE
        return packets


class PacketTrack(MediaStreamTrack):
    """The packets for one viewer. Lives on the event loop."""

    kind = "video"

    def __init__(self, ask_keyframe: Callable[[], None]) -> None:
        super().__init__()
        self.codec: Codec | None = None  # set once connected; nothing is encoded for it before
        self._ask_keyframe = ask_keyframe
        self._packets: deque[VideoPacket] = deque()
        self._arrived = asyncio.Event()
        self._wants_keyframe = True

    def offer(self, packets: list[VideoPacket]) -> None:
        """Queues the packets of one picture; starts, and starts again after a jam, at a keyframe."""
        for packet in packets:
            if len(self._packets) >= QUEUE_PACKETS:
                self._packets.clear()
                self._wants_keyframe = True
                self._ask_keyframe()
            if self._wants_keyframe and not packet.is_keyframe:
                self._ask_keyframe()
                continue
            self._wants_keyframe = False
            self._packets.append(packet)
        self._arrived.set()

    async def recv(self) -> VideoPacket:
        """The next packet. Raises MediaStreamError once the track has stopped."""
        while not self._packets:
            if self.readyState != "live":
                raise MediaStreamError
            self._arrived.clear()
            await self._arrived.wait()
        return self._packets.popleft()

    def stop(self) -> None:
        super().stop()
        self._arrived.set()


class Broadcast:
    """Takes the newest picture, encodes it once for each codec in use, feeds all tracks.

    `push` may be called from any thread; everything else belongs to the event loop that `run` is in.
    Encoding has a thread of its own, which matting cannot fill; a picture that comes while another is
    being encoded waits in a slot of one, and is replaced by a newer one.

    rate, keyframe_every: see Encoder; a rate of None is what suits viewers on this machine.
    """

    def __init__(
        self,
        size: tuple[int, int],
        fps: float,
        loop: asyncio.AbstractEventLoop,
        *,
        rate: int | None = None,
        keyframe_every: int = KEYFRAME_EVERY,
    ) -> None:
        self.size = (max(2, size[0] & ~1), max(2, size[1] & ~1))
        self.encoded = 0
        self._fps = fps
        self._rate = bitrate(self.size, fps) if rate is None else rate
        self._keyframe_every = keyframe_every
        self._loop = loop
        self._lock = threading.Lock()
        self._slot: Picture | None = None
        self._arrived = asyncio.Event()
        self._tracks: set[PacketTrack] = set()
        self._encoders: dict[Codec, Encoder] = {}
        self._keyframe = False
        self._clock = RtpClock()

    def push(self, picture: Picture) -> None:
        """Puts a picture in the slot; the loop is woken only by the first into an empty one."""
        with self._lock:
            empty, self._slot = self._slot is None, picture
        if empty:
            self._loop.call_soon_threadsafe(self._arrived.set)

    def subscribe(self) -> PacketTrack:
        """A track for one more viewer; it is fed once its `codec` is set."""
        track = PacketTrack(self.ask_keyframe)
        self._tracks.add(track)
        return track

    def unsubscribe(self, track: PacketTrack) -> None:
        track.stop()
        self._tracks.discard(track)

    def ask_keyframe(self) -> None:
        self._keyframe = True

    async def run(self) -> None:
        """Encodes until cancelled. Raises what an encoder raises."""
        with ThreadPoolExecutor(1, thread_name_prefix="cleanplate-webrtc-encode") as executor:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                with self._lock:
                    picture, self._slot = self._slot, None
                codecs = {track.codec for track in self._tracks if track.codec is not None}
                for idle in self._encoders.keys() - codecs:
                    del self._encoders[idle]
                if picture is None or not codecs:
                    continue
                keyframe, self._keyframe = self._keyframe, False
                made = await self._loop.run_in_executor(executor, self._encode, picture, codecs, keyframe)
                self.encoded += 1
                for track in self._tracks:
                    if track.codec in made:
                        track.offer(made[track.codec])

    def _encode(self, picture: Picture, codecs: set[Codec], keyframe: bool) -> dict[Codec, list[VideoPacket]]:
        yuv, pts = i420_of(picture, self.size), self._clock.pts(picture.time_ns)
        made: dict[Codec, list[VideoPacket]] = {}
        for codec in codecs:
            if codec not in self._encoders:
                self._encoders[codec] = Encoder(codec, self.size, self._fps, self._rate, self._keyframe_every)
                log.info("webrtc: encoding %s %dx%d", codec, *self.size)
            made[codec] = self._encoders[codec].encode(yuv, pts, keyframe)
        return made
