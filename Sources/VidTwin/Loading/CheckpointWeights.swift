package import TensorFiles

extension Checkpoint: WeightSource {
    package var shapes: [String: [Int]] {
        let scales = Set(scaled.map(Checkpoint.scaleName))
        return tensors.filter { !scales.contains($0.key) }.mapValues(\.shape)
    }

    package func withStored(
        _ name: String, _ body: (StoredWeights) throws -> Void
    ) throws -> Bool {
        guard let info = tensors[name], let rows = info.shape.first else { return false }
        let count = info.shape.reduce(1, *)
        switch info.type {
        case .bfloat16:
            return try withElements(name, of: UInt16.self) { values in
                // Whatever is not finite is found, and named, on the other way.
                if (0..<count).contains(where: { values[$0] & 0x7f80 == 0x7f80 }) { return false }
                try body(.bfloat16(values))
                return true
            } ?? false
        case .int8 where scaled.contains(name):
            var scales = [Float](repeating: 0, count: rows)
            try scales.withUnsafeMutableBufferPointer {
                try read(Checkpoint.scaleName(name), into: $0)
            }
            return try withElements(name, of: Int8.self) { values in
                if (0..<count).contains(where: { values[$0] == -128 }) { return false }
                return try scales.withUnsafeBufferPointer { scales in
                    guard let scales = scales.baseAddress else { return false }
                    try body(.int8(values, scales: scales))
                    return true
                }
            } ?? false
        default: return false
        }
    }
}
