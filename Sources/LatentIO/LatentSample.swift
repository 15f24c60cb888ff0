import FoundationEssentials
public import TensorFiles

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
    /// How the arrays are laid out: `vidtwin`, `cowvla-2`, or `cowvla` (the same vector in an older
    /// order).
    public var layout: String
    /// The version of the program.
    public var vtfilter: String

    // What streams of older versions lack, and videos may lack.

    /// Where samples of colour lie, in libav's numbers.
    public var chromaLocation: Int?
    /// Colour primaries, in libav's numbers.
    public var colorPrimaries: Int?
    /// Transfer characteristic, in libav's numbers.
    public var colorTransfer: Int?
    /// The mastering display: ten ratios, each above and below the line. Red, green, blue, white,
    /// x and y; least and most light.
    public var masteringDisplay: [Int32]?
    /// Most light of a pixel, and of a frame's mean.
    public var contentLight: [UInt32]?
    /// The video's path below the folder of its set, where it is one of a set.
    public var source: String?

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

extension LatentInfo {
    /// Refuses numbers that no video has, so that whoever computes with them need not look again.
    ///
    /// - Throws: `LatentError.malformed`.
    package func check(_ place: String) throws(LatentError) {
        func require(
            _ name: String, _ value: some FixedWidthInteger, _ range: ClosedRange<Int64>
        ) throws(LatentError) {
            if range.contains(Int64(value)) { return }
            throw .malformed(
                place: place, expected: "\(name) of \(range.lowerBound) to \(range.upperBound)",
                found: "\(value)")
        }
        try require("firstFrame", firstFrame, 0...1 << 52)
        try require("validFrames", validFrames, LatentInfo.frames)
        try require("stride", stride, LatentInfo.frames)
        try require("width", width, 1...1 << 20)
        try require("height", height, 1...1 << 20)
        try require("lastDuration", lastDuration, 0...LatentInfo.latest)
        guard pts.count == validFrames, zip(pts, pts.dropFirst()).allSatisfy({ $0 < $1 }),
            pts.allSatisfy({ abs(Double($0)) < Double(LatentInfo.latest) })
        else {
            throw .malformed(
                place: place, expected: "pts of \(validFrames) times that ascend",
                found: String("\(pts)".prefix(80)))
        }
    }

    /// Largest JSON of one clip: what is written has a few hundred bytes and its times.
    package static let maximumBytes = 1 << 20
    /// Frames of a clip: more than any model has.
    private static let frames: ClosedRange<Int64> = 1...4096
    /// Times up to here can be added and multiplied by small numbers.
    private static let latest: Int64 = 1 << 60

    /// Reads JSON that `vtfilter encode` wrote.
    ///
    /// - Throws: `LatentError.malformed`, which names what is missing or of another kind.
    package static func decode<Value: Decodable>(
        _ type: Value.Type, _ json: [UInt8], _ place: String
    ) throws(LatentError) -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(json))
        } catch {
            let found: String
            switch error {
            case DecodingError.keyNotFound(let key, _): found = "no \(key.stringValue)"
            case DecodingError.typeMismatch(_, let context),
                DecodingError.valueNotFound(_, let context):
                found = "another \(context.codingPath.last?.stringValue ?? "kind of value")"
            default: found = "something else"
            }
            throw .malformed(place: place, expected: "what vtfilter encode writes", found: found)
        }
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
    /// Files that are stored beside them, by the ending of their names: captions, labels.
    public var companions: [String: [UInt8]] = [:]

    /// A sample of these arrays.
    public init(key: String, info: LatentInfo, arrays: [String: NPYArray]) {
        (self.key, self.info, self.arrays) = (key, info, arrays)
    }

    /// The sample as tar members: the arrays by name, what is stored beside them, then the JSON, which
    /// makes it whole.
    func members(_ type: LatentType) throws -> [(name: String, bytes: [UInt8])] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return arrays.keys.sorted().map { name in
            ("\(key).\(name).npy", arrays[name]?.encoded(as: type.element) ?? [])
        } + companions.sorted { $0.key < $1.key }.map { ("\(key).\($0.key)", $0.value) } + [
            ("\(key).json", Array(try encoder.encode(info)))
        ]
    }
}
