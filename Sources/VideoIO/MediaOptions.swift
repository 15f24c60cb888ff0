import CFFmpeg

/// An exact ratio of whole numbers.
public struct Rational: Sendable, Hashable, CustomStringConvertible {
    /// Above the line.
    public let numerator: Int32
    /// Below the line, positive.
    public let denominator: Int32

    /// `numerator / denominator`.
    public init(_ numerator: Int32, _ denominator: Int32) {
        (self.numerator, self.denominator) = (numerator, denominator)
    }

    init(_ value: AVRational) { self.init(value.num, value.den) }

    /// A frame rate as ffmpeg writes them: `25`, `29.97`, `24000/1001`, `ntsc`.
    public init?(frameRate text: String) {
        var value = AVRational()
        guard av_parse_video_rate(&value, text) == 0, value.num > 0, value.den > 0 else {
            return nil
        }
        self.init(value)
    }

    /// A ratio as `description` writes it.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let numerator = parts.first.flatMap({ Int32($0) }), parts.count <= 2,
            let denominator = parts.count == 2 ? Int32(parts[1]) : 1, denominator > 0
        else { return nil }
        self.init(numerator, denominator)
    }

    var av: AVRational { AVRational(num: numerator, den: denominator) }

    /// As a floating-point number.
    public var value: Double { Double(numerator) / Double(denominator) }

    /// `25` or `24000/1001`.
    public var description: String {
        denominator == 1 ? "\(numerator)" : "\(numerator)/\(denominator)"
    }
}

/// Width and height in pixels.
public struct PictureSize: Sendable, Hashable, CustomStringConvertible {
    /// Pixels of a row.
    public let width: Int
    /// Rows.
    public let height: Int

    /// `width` by `height` pixels.
    public init(width: Int, height: Int) { (self.width, self.height) = (width, height) }

    /// A size as ffmpeg writes them: `640x360`, `hd720`.
    public init?(_ text: String) {
        var (width, height): (Int32, Int32) = (0, 0)
        guard av_parse_video_size(&width, &height, text) == 0 else { return nil }
        self.init(width: Int(width), height: Int(height))
    }

    /// `640x360`
    public var description: String { "\(width)x\(height)" }

    /// Longest side that is read or written.
    public static let maximumSide = 16384

    var isSensible: Bool {
        (1...PictureSize.maximumSide).contains(width)
            && (1...PictureSize.maximumSide).contains(height)
    }
}

/// Where a part of a picture is cut out: parts, 0…1, of the room to the left and above.
package struct CropPlace: Sendable, Hashable {
    /// Of the room beside it and above it.
    package let x, y: Double

    package init(x: Double, y: Double) { (self.x, self.y) = (x, y) }

    /// A pixel of `room` pixels' room; all have the same chance.
    static func offset(_ part: Double?, in room: Int) -> Int {
        guard let part else { return room / 2 }
        return min(max(Int(part * Double(room + 1)), 0), room)
    }
}

/// How an input is opened; what is nil, libavformat finds out.
public struct InputOptions: Sendable {
    /// A file's path, or `-` for standard input.
    public var url: String
    /// The demuxer's name (`-f`).
    public var format: String?
    /// Size of raw frames (`-s`).
    public var size: PictureSize?
    /// Pixel format of raw frames (`--pix-fmt`).
    public var pixelFormat: String?
    /// Frame rate of raw frames (`-r`).
    public var frameRate: Rational?
    /// The colour matrix, whatever the input says (libav's names).
    public var matrix: String?
    /// The colour range, whatever the input says (`tv` or `pc`).
    public var range: String?
    /// An input that is open already, and what was read of it to see what it is.
    public var opened: (descriptor: Int32, start: [UInt8])?
    /// Frames to leave out at the start.
    public var skip = 0
    /// Frames to deliver at most.
    public var frames: Int?
    /// Whether other tracks are passed on; who sets it takes them (`VideoReader.takeCopied`).
    public var copiesTracks = true
    /// Whether frames that are made of two fields are made whole.
    public var deinterlaces = false
    /// What `Fit.crop` cuts out; the middle where nil.
    package var cropPlace: CropPlace?

    /// Options for this input.
    public init(url: String) { self.url = url }
}

/// How a picture is brought to a size.
public enum Fit: String, Sendable, CaseIterable {
    /// Short side to the size, then the centre: the published protocol.
    case crop
    /// All of the picture, with black bars.
    case pad
    /// All of the picture, in another shape.
    case stretch
    /// As it is: whoever takes the frames covers them with tiles.
    case tile
}

extension Fit {
    /// The filters that bring a picture of `model`'s size back to the size and framing that it came
    /// from; nil where the framing is not undone (`crop`).
    func inverseFilters(from model: PictureSize, to source: PictureSize) -> String? {
        let (w, h, W, H) = (source.width, source.height, model.width, model.height)
        switch self {
        case .crop, .tile: return nil
        case .stretch: return "scale=\(w):\(h)"
        case .pad:
            let wide = w * H >= h * W
            let (sw, sh) = wide ? (W, max(h * W / w, 1)) : (max(w * H / h, 1), H)
            return "crop=\(sw):\(sh):\((W - sw) / 2):\((H - sh) / 2):exact=1,scale=\(w):\(h)"
        }
    }

    /// The size of frames that were brought to `model`'s size and back.
    public func restoredSize(of source: PictureSize, model: PictureSize) -> PictureSize {
        self == .crop ? model : source
    }
}

/// How an output is written; what is nil follows the input or the file name.
public struct OutputOptions: Sendable {
    /// A file's path, or `-` for standard output.
    public var url: String
    /// The muxer's name.
    public var format: String?
    /// The pixel format.
    public var pixelFormat: String?
    /// The size that frames are scaled to in the end; as they come where nil.
    public var size: PictureSize?
    /// The encoder or codec (`libx264`, `ffv1`); the container's default where nil.
    public var codec: String?
    /// The encoder or codec of sound that is encoded anew; it is copied as it is where nil.
    public var audioCodec: String?
    /// Constant quality, for encoders that have it: libx264 takes 0 (lossless) to 51.
    public var crf: Int?
    /// Longest time between two frames, in seconds, that is filled by repeating one.
    public var maximumGap = FrameSampler.maximumGap
    /// Whether an existing file may be replaced.
    public var overwrite = false
    /// Files that are read and must not be replaced, besides the video itself.
    public var inputs: [String] = []
    /// Whether frames are left out at the start or the end, so that the times of chapters are wrong.
    public var isCut = false
    /// Ends waiting for whoever reads a pipe.
    public var cancellation: Cancellation?

    /// Options for this output.
    public init(url: String) { self.url = url }
}
