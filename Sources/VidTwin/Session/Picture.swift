import VidTwinKernels

/// One frame in packed RGB.
public struct Picture: Sendable {
    /// Form of a sample.
    public enum Depth: Sendable {
        /// 0...255
        case eight
        /// 0...65535 in this machine's byte order
        case sixteen
        /// A 32-bit float, 0...1, in this machine's byte order; results are limited to that, input
        /// beyond is taken as it is.
        case float

        /// Bytes of a sample.
        public var byteCount: Int {
            switch self {
            case .eight: 1
            case .sixteen: 2
            case .float: 4
            }
        }
    }

    /// Pixels of a row.
    public let width: Int
    /// Rows.
    public let height: Int
    /// Form of a sample.
    public let depth: Depth
    /// `height · width · 3` samples, rows without gaps, R, G and B side by side.
    public let bytes: [UInt8]

    /// A frame of these samples.
    public init(width: Int, height: Int, depth: Depth = .eight, bytes: [UInt8]) {
        (self.width, self.height, self.depth, self.bytes) = (width, height, depth, bytes)
    }

    /// Writes the samples as −1…1.
    func write(to values: UnsafeMutablePointer<Float>) {
        bytes.withUnsafeBytes { raw in
            guard let base = raw.baseAddress else { return }
            let count = width * height * 3
            switch depth {
            case .eight:
                kernels.pixels_from_u8(base.assumingMemoryBound(to: UInt8.self), values, count)
            case .sixteen:
                // Arrays begin at 16-byte boundaries, so wider samples are aligned.
                kernels.pixels_from_u16(base.assumingMemoryBound(to: UInt16.self), values, count)
            case .float:
                let samples = base.assumingMemoryBound(to: Float.self)
                for i in 0..<count { values[i] = 2 * samples[i] - 1 }
            }
        }
    }

    /// A frame from finite values, which are limited to −1…1 and rounded.
    static func from(
        _ values: UnsafePointer<Float>, width: Int, height: Int, depth: Depth
    ) -> Picture {
        let count = width * height * 3
        let bytes = [UInt8](unsafeUninitializedCapacity: count * depth.byteCount) { buffer, used in
            guard let base = buffer.baseAddress else { return }
            switch depth {
            case .eight: kernels.pixels_to_u8(values, base, count)
            case .sixteen:
                UnsafeMutableRawPointer(base).withMemoryRebound(to: UInt16.self, capacity: count) {
                    kernels.pixels_to_u16(values, $0, count)
                }
            case .float:
                UnsafeMutableRawPointer(base).withMemoryRebound(to: Float.self, capacity: count) {
                    for i in 0..<count { $0[i] = min(max(0.5 * values[i] + 0.5, 0), 1) }
                }
            }
            used = count * depth.byteCount
        }
        return Picture(width: width, height: height, depth: depth, bytes: bytes)
    }
}

extension Picture {
    /// How many samples are NaN or infinite: floats can be.
    package var nonFiniteCount: Int {
        if depth != .float { return 0 }
        return bytes.withUnsafeBytes { raw in
            guard let base = raw.baseAddress else { return 0 }
            return kernels.count_non_finite(
                base.assumingMemoryBound(to: Float.self), raw.count / 4)
        }
    }

    /// - Throws: `ModelError.shape` where the frame has not this size.
    package func check(width: Int, height: Int) throws {
        let expected = width * height * 3 * depth.byteCount
        guard self.width == width, self.height == height, bytes.count == expected else {
            throw ModelError.shape(
                what: "frame (rows, columns, bytes)", expected: [height, width, expected],
                found: [self.height, self.width, bytes.count])
        }
    }
}

extension VidTwinModel {
    /// The frames of one clip as `[1, frames, height, width, 3]` in −1…1.
    ///
    /// - Precondition: as many frames as a clip has, of the model's size.
    package func clip(_ pictures: [Picture]) -> Tensor {
        precondition(pictures.count == configuration.frames, "\(pictures.count) frames")
        let clip = Tensor(clipShape(), on: device)
        let frame = clip.count / pictures.count
        device.parallel(pictures.count) { t, _ in
            pictures[t].write(to: clip.pointer + t * frame)
        }
        return clip
    }
}

extension Tensor {
    /// Frames of a decoded clip `[1, T, height, width, 3]`, of any size, one of each depth.
    package func pictures(_ frames: Range<Int>, depths: [Picture.Depth]) -> [Picture] {
        let frame = count / dim(1)
        return withPointer { values in
            zip(frames, depths).map { t, depth in
                Picture.from(values + t * frame, width: dim(3), height: dim(2), depth: depth)
            }
        }
    }
}
