/// A named state beside the parameters: running statistics of a norm, or how many batches they saw.
package final class StateBuffer: @unchecked Sendable {
    /// The checkpoint's name.
    package let name: String
    /// The checkpoint's shape: `[]` for a count.
    package let shape: [Int]
    /// Whether it is a whole number (int64 in a checkpoint).
    package let isCount: Bool
    /// The numbers in row-major order.
    package var values: [Float]

    package init(_ name: String, _ shape: [Int], isCount: Bool = false, _ values: [Float]) {
        (self.name, self.shape, self.isCount, self.values) = (name, shape, isCount, values)
    }
}
