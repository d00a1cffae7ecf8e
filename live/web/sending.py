"""The sending end of a peer connection, whoever made the offer: a viewer, or we to a media server."""

from __future__ import annotations

from aiortc import RTCPeerConnection, RTCRtpSender, RTCRtpTransceiver

from live.web.video import Broadcast, Codec, PacketTrack

# H.264 first: at 1280x720 it is encoded in under half of VP8's time. VP8 is what every browser has.
CODECS: tuple[Codec, ...] = ("H264", "VP8")


def add_video(pc: RTCPeerConnection, broadcast: Broadcast, track: PacketTrack) -> RTCRtpTransceiver:
    """A section that only sends the track; what the other end asks for as a keyframe the broadcast makes."""
    transceiver = pc.addTransceiver(track, direction="sendonly")
    known = RTCRtpSender.getCapabilities("video").codecs
    names = [f"video/{name}" for name in CODECS]
    chosen = [c for name in names for c in known if c.mimeType == name]
    transceiver.setCodecPreferences([*chosen, *(c for c in known if c.mimeType == "video/rtx")])
    # aiortc 1.16 keeps the wish for a keyframe for its own encoder; ours is elsewhere.
    transceiver.sender._send_keyframe = broadcast.ask_keyframe  # type: ignore[method-assign]
    return transceiver


def agreed_codec(transceiver: RTCRtpTransceiver) -> Codec:
    """The codec that is sent once both descriptions are set: aiortc sends the first of those agreed on."""
    name = transceiver._codecs[0].mimeType.removeprefix("video/")
    return next(codec for codec in CODECS if codec == name)
