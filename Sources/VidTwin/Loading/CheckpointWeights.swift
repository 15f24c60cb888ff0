package import TensorFiles

extension Checkpoint: WeightSource {
    package var shapes: [String: [Int]] {
        let scales = Set(scaled.map(Checkpoint.scaleName))
        return tensors.filter { !scales.contains($0.key) }.mapValues(\.shape)
    }
}
