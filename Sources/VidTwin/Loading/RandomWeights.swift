/// Weights made of a seed, of the sizes that trained ones have: for measuring speed without a
/// checkpoint. The same seed gives the same weights everywhere.
package struct RandomWeights: WeightSource {
    package let path: String
    package let shapes: [String: [Int]]
    private let seed: UInt64

    init(_ parameters: [Parameter], seed: UInt64) {
        self.init(
            Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0.shape) }), seed: seed)
    }

    /// Weights of these names and shapes.
    package init(_ shapes: [String: [Int]], seed: UInt64) {
        (self.shapes, self.seed) = (shapes, seed)
        path = "random weights, seed \(seed)"
    }

    package func read(_ name: String, into destination: UnsafeMutableBufferPointer<Float>) {
        let shape = shapes[name] ?? []
        let inputs = Float(max(shape.dropFirst().reduce(1, *), 1))
        // Norms' weights lie around 1; a matrix keeps the variance of what it multiplies.
        let isNorm = shape.count == 1 && name.hasSuffix("weight")
        let size: Float = shape.count == 1 ? 0.02 : (3 / inputs).squareRoot()
        var state = name.utf8.reduce(0xcbf2_9ce4_8422_2325 ^ seed) {
            ($0 ^ UInt64($1)) &* 0x100_0000_01b3
        }
        for i in destination.indices {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            destination[i] =
                (isNorm ? 1 : 0) + size * Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
        }
    }
}

extension VidTwinModel {
    /// A model of this configuration with random weights.
    public convenience init(
        configuration: Configuration, randomSeed: UInt64, device: Device,
        precision: Precision = .float32
    ) throws {
        let source = RandomWeights(VidTwinModel.plan(configuration).parameters, seed: randomSeed)
        try self.init(configuration, weights: source, device: device, precision: precision)
    }
}
