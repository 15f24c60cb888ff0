/// What can be wrong with a checkpoint file: what, where, expected, found.
public enum CheckpointError: Error, CustomStringConvertible, Sendable {
    /// The file cannot be opened or is none.
    case file(path: String, problem: String)
    /// Not a checkpoint of a kind that is read.
    case kind(path: String, found: String)
    /// The file contradicts itself or its format; `place` is an entry or an offset.
    case malformed(path: String, place: String, expected: String, found: String)
    /// Bytes that do not have the checksum written for them.
    case checksum(path: String, place: String, expected: UInt32, found: UInt32)
    /// A weight that is NaN or infinite.
    case nonFinite(path: String, name: String, count: Int)
    /// A checkpoint cannot be written.
    case unwritable(path: String, problem: String)
    /// A name that the file does not hold.
    case missing(path: String, name: String)

    /// One line: what, where, expected, found.
    public var description: String {
        switch self {
        case .file(let path, let problem): "\(path): \(problem)"
        case .kind(let path, let found):
            "\(path): expected a .safetensors file or a PyTorch .ckpt/.pt archive, found \(found)"
        case .malformed(let path, let place, let expected, let found):
            "\(path): \(place): expected \(expected), found \(found)"
        case .checksum(let path, let place, let expected, let found):
            "\(path): \(place): damaged: expected CRC-32 \(String(expected, radix: 16)), "
                + "found \(String(found, radix: 16))"
        case .nonFinite(let path, let name, let count):
            "\(path): \(name): expected finite weights, found \(count) NaN or infinite"
        case .unwritable(let path, let problem): "\(path): cannot be written: \(problem)"
        case .missing(let path, let name): "\(path): no tensor \(name)"
        }
    }
}
