import VidTwin
import VideoIO

/// A clip of one of the two videos of a cross-reenactment.
struct SourceClip {
    let latents: Latents
    /// Its frames, or their times alone where only latents are known.
    let frames: [RGBFrame]
    let copied: [CopiedPacket]
}
