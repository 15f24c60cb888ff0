public import VidTwin

/// The made-up weights of the golden values, by a 32-bit hash of index and layer.
public struct MadeUpVGG: WeightSource {
    /// For messages.
    public let path = "made up"
    /// Canonical names.
    public let shapes: [String: [Int]]
    private static let widths = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]

    /// The weights.
    public init() {
        var shapes: [String: [Int]] = [:]
        for n in 0..<13 {
            let (inputs, outputs) = (Self.widths[n], Self.widths[n + 1])
            shapes["convolution.\(n).weight"] = [outputs, inputs, 3, 3]
            shapes["convolution.\(n).bias"] = [outputs]
        }
        for (k, width) in [64, 128, 256, 512, 512].enumerated() {
            shapes["linear.\(k).weight"] = [1, width, 1, 1]
        }
        self.shapes = shapes
    }

    /// Writes the values of a canonical name.
    public func read(_ name: String, into destination: UnsafeMutableBufferPointer<Float>) throws {
        let parts = name.split(separator: ".")
        let n = Int(parts[1]) ?? 0
        let inputs = Double(Self.widths[n] * 9)
        let (layer, scale, offset) =
            parts[0] == "linear"
            ? (200 + n, 0.5, 0.5)
            : parts[2] == "bias" ? (100 + n, 0.1, 0) : (n + 1, (6 / inputs).squareRoot(), 0)
        for i in destination.indices {
            var h = (UInt64(i) &+ UInt64(layer) &* 1_000_003) &* 2_654_435_761 & 0xffff_ffff
            h ^= h >> 15
            h = h &* 2_246_822_519 & 0xffff_ffff
            h ^= h >> 13
            destination[i] = Float((Double(h) / 0x1p32 - 0.5) * 2 * scale + offset)
        }
    }

    /// Which weights a file holds.
    public enum Part: Sendable {
        /// Convolutions, linear weights, or both.
        case trunk, linear, all
    }

    /// Whose names a file uses.
    public enum Maker: Sendable {
        /// torchvision's `vgg16`, the `lpips` package, or the reference's model.
        case torchvision, package, reference
    }

    private static let places = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    private static let slices = [1, 1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5]

    /// Writes the weights as a .safetensors file with a maker's names.
    public func write(to path: String, _ part: Part, _ maker: Maker) throws {
        var (header, data): ([String], [UInt8]) = ([], [])
        for name in shapes.keys.sorted() {
            let parts = name.split(separator: ".")
            let n = Int(parts[1]) ?? 0
            let isLinear = parts[0] == "linear"
            if part != .all, isLinear != (part == .linear) { continue }
            let made: String
            switch maker {
            case .torchvision: made = "features.\(Self.places[n]).\(parts[2])"
            case .package: made = "lin\(n).model.1.weight"
            case .reference:
                made =
                    isLinear
                    ? "lins.\(n).model.1.weight"
                    : "net.slice\(Self.slices[n]).\(Self.places[n]).\(parts[2])"
            }
            let shape = shapes[name] ?? []
            var values = [Float](repeating: 0, count: shape.reduce(1, *))
            try values.withUnsafeMutableBufferPointer { try read(name, into: $0) }
            let start = data.count
            values.withUnsafeBytes { data += $0 }
            header.append(
                "\"\(made)\":{\"dtype\":\"F32\",\"shape\":\(shape),"
                    + "\"data_offsets\":[\(start),\(data.count)]}")
        }
        let text = Array("{\(header.joined(separator: ","))}".utf8)
        let length = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) }
        Fixtures.write(length + text + data, to: path)
    }
}
