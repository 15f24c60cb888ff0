import CFFmpeg
import TensorFiles

/// What is known of an input's video, and what an output takes over from it.
public struct VideoStreamInfo: @unchecked Sendable {
    /// The demuxer's name, as ffmpeg lists it.
    public let format: String
    /// Size of the frames, upright.
    public internal(set) var size: PictureSize
    /// Pixel format of the frames in the stream.
    public let pixelFormat: String
    /// Bits of a sample in the stream.
    public let bitDepth: Int
    /// Whether the pixel format has an alpha channel, which RGB frames leave out.
    public let hasAlpha: Bool
    /// Unit of timestamps, in seconds.
    public private(set) var timeBase: Rational
    /// Frames a second, the mean where they come at variable times; nil where nothing tells.
    public internal(set) var frameRate: Rational?
    /// Whether frames come at variable times.
    public internal(set) var isVariable = false
    /// Width of a pixel by its height; 0/1 where unknown.
    public internal(set) var sampleAspect: Rational
    /// Frames in the stream, where the container or the file's size tells.
    public private(set) var frameCount: Int?
    /// What is passed through beside the video; nil where there is nothing.
    public internal(set) var copied: CopiedTracks?

    let pixelFormatID: AVPixelFormat
    var colorSpace: AVColorSpace
    var colorRange: AVColorRange
    var colorPrimaries: AVColorPrimaries
    var colorTransfer: AVColorTransferCharacteristic
    let identity: FileIdentity?
    /// The files of a sequence of pictures.
    var pictures: [FileIdentity] = []
    var traits = PictureTraits()

    /// Whether frames are made of two fields.
    public var isInterlaced: Bool { traits.fields != nil }

    /// Colour matrix and range, in libav's numbers.
    public var colors: (space: Int, range: Int) {
        (Int(colorSpace.rawValue), Int(colorRange.rawValue))
    }

    /// This stream as `FrameSampler` gives it.
    public func resampled(to rate: Rational?) -> VideoStreamInfo {
        guard let rate else { return self }
        var stream = self
        stream.timeBase = Rational(rate.denominator, rate.numerator)
        (stream.frameRate, stream.isVariable) = (rate, false)
        stream.frameCount = frameCount.flatMap { count in
            frameRate.flatMap {
                Int(exactly: (Double(count) * rate.value / $0.value).rounded(.down))
            }
        }
        return stream
    }

    /// A stream that is not read from a video but made, for instance from latents.
    ///
    /// - Throws: `VideoIOError.usage` for a pixel format or a size that does not exist.
    public init(
        format: String, size: PictureSize, pixelFormat: String, timeBase: Rational,
        frameRate: Rational?, sampleAspect: Rational, colors: (space: Int, range: Int)
    ) throws(VideoIOError) {
        let id = av_get_pix_fmt(pixelFormat)
        guard let description = av_pix_fmt_desc_get(id) else {
            throw .usage("\(pixelFormat): no such pixel format")
        }
        guard size.isSensible, timeBase.numerator > 0, timeBase.denominator > 0 else {
            throw .usage("frames of \(size), time base \(timeBase): no such video")
        }
        self.format = format
        self.size = size
        self.pixelFormat = pixelFormat
        bitDepth = Int(vt_depth(description))
        hasAlpha = description.pointee.flags & UInt64(AV_PIX_FMT_FLAG_ALPHA) != 0
        self.timeBase = timeBase
        self.frameRate = frameRate
        self.sampleAspect = sampleAspect
        frameCount = nil
        pixelFormatID = id
        let known = 0..<256
        colorSpace = AVColorSpace(
            rawValue: known.contains(colors.space) ? UInt32(colors.space) : 2)
        colorRange = AVColorRange(
            rawValue: known.contains(colors.range) ? UInt32(colors.range) : 0)
        colorPrimaries = AVCOL_PRI_UNSPECIFIED
        colorTransfer = AVCOL_TRC_UNSPECIFIED
        identity = nil
    }

    init(
        format: String, size: PictureSize, pixelFormat: String, bitDepth: Int, hasAlpha: Bool,
        timeBase: Rational, frameRate: Rational?, sampleAspect: Rational, frameCount: Int?,
        copied: CopiedTracks?, pixelFormatID: AVPixelFormat, colorSpace: AVColorSpace,
        colorRange: AVColorRange, colorPrimaries: AVColorPrimaries,
        colorTransfer: AVColorTransferCharacteristic, identity: FileIdentity
    ) {
        (self.format, self.size, self.pixelFormat) = (format, size, pixelFormat)
        (self.bitDepth, self.hasAlpha, self.timeBase) = (bitDepth, hasAlpha, timeBase)
        (self.frameRate, self.sampleAspect) = (frameRate, sampleAspect)
        (self.frameCount, self.copied, self.pixelFormatID) = (frameCount, copied, pixelFormatID)
        (self.colorSpace, self.colorRange) = (colorSpace, colorRange)
        (self.colorPrimaries, self.colorTransfer) = (colorPrimaries, colorTransfer)
        self.identity = identity
    }
}
