package import TensorFiles
import VidTwinKernels

/// A model's weights written once in the form of a precision, for fast starts: a .safetensors file
/// that carries its configuration and the SHA-256 of the file that it was made from.
///
/// Weights that the model never uses are left out. In int8, a matrix `NAME` of the blocks is held as
/// whole numbers of −127…127 (I8) with `NAME.scale` (F32, one an output); `Checkpoint` reads it as
/// their product.
public struct Conversion {
    /// Where the metadata holds the configuration file's text.
    package static let configurationKey = "vidtwin.config"
    /// Where the metadata holds the SHA-256 of the source.
    package static let sourceKey = "vidtwin.source_sha256"

    private let source: any WeightSource
    private let precision: Precision
    private let plan: WeightPlan
    private let metadata: [String: String]
    private let sources: [FileIdentity]

    /// Checks that the files fit each other.
    ///
    /// - Throws: `ModelError` and `CheckpointError`, as loading the model does.
    public init(_ opened: OpenedModel, precision: Precision) throws {
        self.precision = precision
        sources = opened.files.paths.compactMap { FileIdentity(path: $0) }
        source = opened.source
        plan = VidTwinModel.plan(opened.configuration)
        try plan.verify(source, unused: VidTwinModel.isUnused)
        metadata = [
            "format": "pt", "vidtwin.precision": precision.rawValue,
            Conversion.configurationKey: try opened.configurationText(),
            Conversion.sourceKey: opened.checkpointSHA256,
        ]
    }

    /// Opens two files and checks that they fit each other.
    ///
    /// - Throws: `ModelError` and `CheckpointError`, as loading the model does.
    public init(_ files: ModelFiles, precision: Precision) throws {
        try self.init(OpenedModel(files), precision: precision)
    }

    /// Writes the file, which has its name when it is complete; what is there is replaced, unless it
    /// is one of the files that this is made from.
    ///
    /// - Throws: `CheckpointError` and `StreamError`.
    public func write(to path: String) throws {
        do {
            let file = try NewFile(path, overwrite: true, inputs: sources)
            try write(to: file)
        } catch let error as NewFileError {
            throw CheckpointError.unwritable(path: path, problem: error.problem)
        }
    }

    /// Writes the file and gives it its name.
    ///
    /// - Throws: `CheckpointError`, `StreamError` and `NewFileError`.
    package func write(to file: NewFile) throws {
        var entries: [SafeTensorsWriter.Entry] = []
        for parameter in plan.parameters {
            let type = elementType(parameter.use)
            entries.append(.init(name: parameter.name, type: type, shape: parameter.shape))
            if type == .int8 {
                entries.append(
                    .init(
                        name: Checkpoint.scaleName(parameter.name), type: .float32,
                        shape: [parameter.shape[0]]))
            }
        }
        try write(entries, to: try file.open())
        try file.finish()
    }

    private func write(_ entries: [SafeTensorsWriter.Entry], to output: Descriptor) throws {
        let writer = try SafeTensorsWriter(output, entries, metadata: metadata)
        for parameter in plan.parameters {
            var values = [Float](repeating: 0, count: parameter.count)
            try values.withUnsafeMutableBufferPointer { try source.read(parameter.name, into: $0) }
            switch elementType(parameter.use) {
            case .bfloat16:
                let narrow = [UInt16](unsafeUninitializedCapacity: values.count) { buffer, count in
                    if let base = buffer.baseAddress {
                        kernels.to_bf16(values, base, values.count)
                    }
                    count = values.count
                }
                try narrow.withUnsafeBytes { try writer.append($0) }
            case .int8:
                let (numbers, scales) = Conversion.quantise(values, outputs: parameter.shape[0])
                try numbers.withUnsafeBytes { try writer.append($0) }
                try scales.withUnsafeBytes { try writer.append($0) }
            default: try values.withUnsafeBytes { try writer.append($0) }
            }
        }
    }

    /// Vectors and tables stay float32, whatever the precision; so do the small matrices of int8.
    private func elementType(_ use: Parameter.Use) -> ElementType {
        switch (precision, use) {
        case (.float32, _), (_, .plain), (_, .matrix(narrowest: .float32)): .float32
        case (.bfloat16, _): .bfloat16
        case (.int8, .matrix(narrowest: .int8)): .int8
        case (.int8, _): .float32
        }
    }

    private static func quantise(
        _ values: [Float], outputs: Int
    ) -> (numbers: [Int8], scales: [Float]) {
        let inputs = values.count / outputs
        var numbers = [Int8](repeating: 0, count: values.count)
        var scales: [Float] = []
        values.withUnsafeBufferPointer { rows in
            numbers.withUnsafeMutableBufferPointer { numbers in
                guard let rows = rows.baseAddress, let numbers = numbers.baseAddress else { return }
                for o in 0..<outputs {
                    var sum: Int32 = 0
                    scales.append(
                        kernels.quantise_weights(
                            rows + o * inputs, numbers + o * inputs, &sum, inputs))
                }
            }
        }
        return (numbers, scales)
    }
}
