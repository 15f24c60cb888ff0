public import TensorFiles
public import VidTwin

/// One folder of golden data: a small model and what the PyTorch oracle computes with it.
public struct Golden: Sendable, CustomStringConvertible {
    /// The six folders.
    public static let all = [
        "tiny", "grid14_h4", "grid14_h2", "no_motion_downsample", "noncausal", "nonsquare",
    ].map { Golden($0) }

    /// The folder's name.
    public let name: String

    /// The golden data of this name.
    public init(_ name: String) { self.name = name }

    /// The name, in test reports.
    public var description: String { name }

    private var folder: String { "\(Fixtures.folder)/goldens/\(name)" }

    /// The configuration file.
    public var configurationPath: String { "\(folder)/config.yaml" }

    /// The weights.
    public func checkpointPath(_ kind: String = "safetensors") -> String {
        "\(folder)/model.\(kind)"
    }

    /// The model.
    public func model(
        on device: Device, kind: String = "safetensors", precision: Precision = .float32
    ) throws -> VidTwinModel {
        try VidTwinModel(
            configuration: Configuration(path: configurationPath),
            checkpoint: Checkpoint(path: checkpointPath(kind)), device: device,
            precision: precision)
    }

    /// What was computed.
    public func expected() throws -> Checkpoint {
        try Checkpoint(path: "\(folder)/golden.safetensors")
    }

    /// The frames of the golden data's formula, `[T, H, W, 3]`, with the seed of its metadata.
    public func frames() throws -> (bytes: [UInt8], T: Int, H: Int, W: Int) {
        let formula = try expected().metadata["frames"] ?? ""
        let numbers = formula.split(whereSeparator: { !$0.isNumber }).compactMap { Int($0) }
        let (T, H, W, seed) = (numbers[0], numbers[1], numbers[2], numbers[3])
        return (Golden.pattern(T, H, W, seed), T, H, W)
    }

    /// Every operation is on whole numbers, so any language makes the same frames.
    public static func pattern(_ T: Int, _ H: Int, _ W: Int, _ seed: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(T * H * W * 3)
        for t in 0..<T {
            for y in 0..<H {
                for x in 0..<W {
                    for c in 0..<3 {
                        let v =
                            (x * x * 3 + (y + 2 * t) * (x + seed) + 37 * c * (y / 8 + 1) + 13 * t
                                + 5 * seed) / 4
                        bytes.append(UInt8(v % 256))
                    }
                }
            }
        }
        return bytes
    }
}

extension Checkpoint {
    /// The values of a tensor that must be there.
    public func values(_ name: String) throws -> [Float] {
        let count = tensors[name]?.shape.reduce(1, *) ?? 0
        var values = [Float](repeating: 0, count: count)
        try values.withUnsafeMutableBufferPointer { try read(name, into: $0) }
        return values
    }
}
