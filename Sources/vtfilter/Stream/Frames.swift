import VidTwin
import VideoIO

extension SampleDepth {
    /// As pictures have it.
    var samples: Picture.Depth { self == .eight ? .eight : .sixteen }
}

extension RGBFrame {
    /// As the model takes it.
    var picture: Picture {
        Picture(width: width, height: height, depth: depth.samples, bytes: bytes)
    }

    /// A picture at a time.
    init(_ picture: Picture, pts: Int64, duration: Int64) {
        self.init(
            width: picture.width, height: picture.height,
            depth: picture.depth == .eight ? .eight : .sixteen, bytes: picture.bytes, pts: pts,
            duration: duration)
    }
}

extension Picture {
    /// Pictures of one height and depth, from left to right.
    static func sideBySide(_ pictures: [Picture]) -> Picture {
        guard let first = pictures.first else {
            return Picture(width: 0, height: 0, bytes: [])
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(pictures.reduce(0) { $0 + $1.bytes.count })
        for row in 0..<first.height {
            for picture in pictures {
                let length = picture.width * 3 * picture.depth.byteCount
                bytes += picture.bytes[row * length..<(row + 1) * length]
            }
        }
        return Picture(
            width: pictures.reduce(0) { $0 + $1.width }, height: first.height,
            depth: first.depth, bytes: bytes)
    }
}
