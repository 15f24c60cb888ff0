import VidTwin

/// Weights by name that are written one number at a time, over another source's.
struct NamedWeights: WeightSource {
    let path: String
    let shapes: [String: [Int]]
    private var values: [String: [Float]] = [:]

    /// All weights of a source.
    init(_ source: any WeightSource, path: String) throws {
        (self.path, shapes) = (path, source.shapes)
        for (name, shape) in source.shapes {
            var array = [Float](repeating: 0, count: shape.reduce(1, *))
            try array.withUnsafeMutableBufferPointer { try source.read(name, into: $0) }
            values[name] = array
        }
    }

    func read(_ name: String, into destination: UnsafeMutableBufferPointer<Float>) {
        for (index, value) in (values[name] ?? []).enumerated() where index < destination.count {
            destination[index] = value
        }
    }

    /// All numbers of a name.
    subscript(name: String) -> [Float] {
        get { values[name] ?? [] }
        set {
            precondition(newValue.count == values[name]?.count, "\(name): another size")
            values[name] = newValue
        }
    }

    /// One number of a weight `[rows, ...]`, at a place behind the first axis.
    subscript(name: String, row: Int, column: Int) -> Double {
        get { Double(values[name]?[row * columns(name) + column] ?? 0) }
        set {
            let at = row * columns(name) + column
            values[name]?[at] = Float(newValue)
        }
    }

    /// One number of a weight of one axis.
    subscript(name: String, index: Int) -> Double {
        get { Double(values[name]?[index] ?? 0) }
        set { values[name]?[index] = Float(newValue) }
    }

    /// A 3×3 convolution's middle.
    subscript(centre name: String, row: Int, channel: Int) -> Double {
        get { self[name, row, channel * 9 + 4] }
        set { self[name, row, channel * 9 + 4] = newValue }
    }

    /// Rows of a weight become 0; all where none are given.
    mutating func clear(_ name: String, rows: Range<Int>? = nil) {
        let size = columns(name)
        let range = rows.map { $0.lowerBound * size..<$0.upperBound * size }
        for index in range ?? 0..<(values[name]?.count ?? 0) { values[name]?[index] = 0 }
    }

    /// A weight times a factor.
    mutating func scale(_ name: String, by factor: Double) {
        for index in 0..<(values[name]?.count ?? 0) { values[name]?[index] *= Float(factor) }
    }

    private func columns(_ name: String) -> Int {
        (shapes[name] ?? []).dropFirst().reduce(1, *)
    }
}
