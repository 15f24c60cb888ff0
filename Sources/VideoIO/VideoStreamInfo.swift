import CFFmpeg

/// What is known of an input's video, and what an output takes over from it.
public struct VideoStreamInfo: @unchecked Sendable {
    /// The demuxer's name, as ffmpeg lists it.
    public let format: String
    /// Size of the frames in the stream.
    public let size: PictureSize
    /// Pixel format of the frames in the stream.
    public let pixelFormat: String
    /// Bits of a sample in the stream.
    public let bitDepth: Int
    /// Whether the pixel format has an alpha channel, which RGB frames leave out.
    public let hasAlpha: Bool
    /// Unit of timestamps, in seconds.
    public let timeBase: Rational
    /// Frames a second; nil where the stream has no regular rate.
    public let frameRate: Rational?
    /// Width of a pixel by its height; 0/1 where unknown.
    public let sampleAspect: Rational
    /// Frames in the stream, where the container or the file's size tells.
    public let frameCount: Int?
    /// The audio that is passed through, if there is any.
    public let audio: AudioStreamInfo?

    let pixelFormatID: AVPixelFormat
    let colorSpace: AVColorSpace
    let colorRange: AVColorRange
    let colorPrimaries: AVColorPrimaries
    let colorTransfer: AVColorTransferCharacteristic
    let identity: FileIdentity
}

/// An audio stream that is copied packet by packet.
public final class AudioStreamInfo: @unchecked Sendable {
    let parameters: UnsafeMutablePointer<AVCodecParameters>
    let timeBase: AVRational

    init?(_ stream: UnsafeMutablePointer<AVStream>) {
        guard let copy = avcodec_parameters_alloc() else { return nil }
        parameters = copy
        timeBase = stream.pointee.time_base
        if avcodec_parameters_copy(copy, stream.pointee.codecpar) < 0 { return nil }
    }

    deinit {
        var parameters: UnsafeMutablePointer<AVCodecParameters>? = self.parameters
        avcodec_parameters_free(&parameters)
    }
}

/// One packet of audio on its way from input to output.
public final class AudioPacket: @unchecked Sendable {
    let packet: UnsafeMutablePointer<AVPacket>

    init?(moving source: UnsafeMutablePointer<AVPacket>) {
        guard let packet = av_packet_alloc() else { return nil }
        self.packet = packet
        av_packet_move_ref(packet, source)
    }

    deinit {
        var packet: UnsafeMutablePointer<AVPacket>? = self.packet
        av_packet_free(&packet)
    }

    /// Bytes of data.
    var byteCount: Int { Int(packet.pointee.size) }
}
