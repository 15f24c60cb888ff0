import FoundationEssentials

/// What is known of a clip's latents beside the numbers: the `.json` of a sample.
public struct LatentInfo: Codable, Sendable, Equatable {
    /// Index of the clip's first frame in its video.
    public var firstFrame: Int
    /// Frames of the clip that came from the video; the rest is filling.
    public var validFrames: Int
    /// Frames from this clip's start to the next one's.
    public var stride: Int
    /// Frames a second, as a ratio; nil where the video has no regular rate.
    public var rate: String?
    /// Unit of `pts` in seconds, as a ratio.
    public var timeBase: String
    /// When each valid frame is shown.
    public var pts: [Int64]
    /// How long the last valid frame is shown; 0 where unknown.
    public var lastDuration: Int64
    /// Pixels of the video's frames.
    public var width: Int
    /// Rows of the video's frames.
    public var height: Int
    /// Pixel format of the video's frames.
    public var pixelFormat: String
    /// Colour matrix and range of the video, in libav's numbers.
    public var colorSpace: Int
    /// See `colorSpace`.
    public var colorRange: Int
    /// Width by height of a pixel, as a ratio.
    public var sampleAspect: String
    /// How frames were brought to the model's size.
    public var fit: String
    /// Fingerprint of the model's configuration.
    public var configSHA256: String
    /// SHA-256 of the checkpoint.
    public var checkpointSHA256: String
    /// `mean`, or `sample`.
    public var latents: String
    /// Seed of sampled latents.
    public var seed: UInt64?
    /// `vidtwin`, or `cowvla`.
    public var layout: String
    /// The version of the program.
    public var vtfilter: String

    /// The memberwise initialiser, in the order of the properties.
    public init(
        firstFrame: Int, validFrames: Int, stride: Int, rate: String?, timeBase: String,
        pts: [Int64], lastDuration: Int64, width: Int, height: Int, pixelFormat: String,
        colorSpace: Int, colorRange: Int, sampleAspect: String, fit: String, configSHA256: String,
        checkpointSHA256: String, latents: String, seed: UInt64?, layout: String, vtfilter: String
    ) {
        (self.firstFrame, self.validFrames, self.stride) = (firstFrame, validFrames, stride)
        (self.rate, self.timeBase, self.pts) = (rate, timeBase, pts)
        (self.lastDuration, self.width, self.height) = (lastDuration, width, height)
        (self.pixelFormat, self.colorSpace, self.colorRange) = (pixelFormat, colorSpace, colorRange)
        (self.sampleAspect, self.fit, self.configSHA256) = (sampleAspect, fit, configSHA256)
        (self.checkpointSHA256, self.latents, self.seed) = (checkpointSHA256, latents, seed)
        (self.layout, self.vtfilter) = (layout, vtfilter)
    }
}

/// The latents of one clip, as they are stored: arrays by name (`structure`, `dynamics_x`,
/// `dynamics_y`, or `dynamics`; with `_logvar` behind it, a log-variance).
public struct LatentSample: Sendable {
    /// The clip's name, `NAME_000000`, without dots.
    public let key: String
    /// What is known of it.
    public let info: LatentInfo
    /// The arrays by name.
    public let arrays: [String: NPYArray]

    /// A sample of these arrays.
    public init(key: String, info: LatentInfo, arrays: [String: NPYArray]) {
        (self.key, self.info, self.arrays) = (key, info, arrays)
    }

    /// The sample as tar members: the arrays by name, then the JSON.
    func members(_ type: LatentType) throws -> [(name: String, bytes: [UInt8])] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return arrays.keys.sorted().map { name in
            ("\(key).\(name).npy", arrays[name]?.encoded(as: type) ?? [])
        } + [("\(key).json", Array(try encoder.encode(info)))]
    }
}
