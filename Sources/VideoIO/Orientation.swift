import CFFmpeg

/// How a stored picture is turned to be upright: mirrored along its diagonal first, then from left
/// to right, then from top to bottom. These are the eight ways in which a picture can lie.
struct Orientation: Equatable {
    var transposed = false
    var mirrored = false
    var flipped = false

    /// Stored as it is shown.
    static let upright = Orientation()

    /// The filters that turn it, as on ffmpeg's command line.
    var filters: [String] {
        (transposed ? ["transpose=cclock_flip"] : []) + (mirrored ? ["hflip"] : [])
            + (flipped ? ["vflip"] : [])
    }

    /// The size of a picture once it is upright.
    func upright(_ size: PictureSize) -> PictureSize {
        transposed ? PictureSize(width: size.height, height: size.width) : size
    }

    /// The shape of pixels once they are upright.
    func upright(_ aspect: Rational) -> Rational {
        transposed && aspect.numerator > 0
            ? Rational(aspect.denominator, aspect.numerator) : aspect
    }
}

extension Orientation {
    /// What a display matrix says; nil where it turns by another angle than a quarter's multiple,
    /// or is none.
    init?(displayMatrix m: UnsafePointer<Int32>) {
        // x' = m₀x + m₃y, y' = m₁x + m₄y
        let (a, b, c, d) = (Double(m[0]), Double(m[1]), Double(m[3]), Double(m[4]))
        let (straight, crossed) = (min(abs(a), abs(d)), min(abs(b), abs(c)))
        if straight > 50 * max(abs(b), abs(c)) {
            self.init(transposed: false, mirrored: a < 0, flipped: d < 0)
        } else if crossed > 50 * max(abs(a), abs(d)) {
            self.init(transposed: true, mirrored: c < 0, flipped: b < 0)
        } else {
            return nil
        }
    }

    /// What EXIF says, 1 to 8.
    init?(exif number: Int) {
        switch number {
        case 1: self = .upright
        case 2: self.init(mirrored: true)
        case 3: self.init(mirrored: true, flipped: true)
        case 4: self.init(flipped: true)
        case 5: self.init(transposed: true)
        case 6: self.init(transposed: true, mirrored: true)
        case 7: self.init(transposed: true, mirrored: true, flipped: true)
        case 8: self.init(transposed: true, flipped: true)
        default: return nil
        }
    }

    /// What a stream's display matrix says.
    ///
    /// - Returns: nil where it has one that is not a multiple of a quarter turn.
    static func of(_ stream: UnsafeMutablePointer<AVStream>) -> Orientation? {
        var size = 0
        guard let data = vt_stream_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size), size >= 36
        else { return .upright }
        return data.withMemoryRebound(to: Int32.self, capacity: 9) {
            Orientation(displayMatrix: $0)
        }
    }

    /// What a frame says of its own: a display matrix, or EXIF of a picture; nil where nothing.
    static func of(_ frame: UnsafeMutablePointer<AVFrame>) -> Orientation? {
        if let data = av_frame_get_side_data(frame, AV_FRAME_DATA_DISPLAYMATRIX),
            data.pointee.size >= 36
        {
            return data.pointee.data.withMemoryRebound(to: Int32.self, capacity: 9) {
                Orientation(displayMatrix: $0)
            }
        }
        guard let entry = av_dict_get(frame.pointee.metadata, "Orientation", nil, 0) else {
            return nil
        }
        let text = String(cString: entry.pointee.value).filter { !$0.isWhitespace }
        return Int(text).flatMap { Orientation(exif: $0) }
    }
}
