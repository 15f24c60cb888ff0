import VidTwinKernels

/// Memory of one tensor; goes back to its device when the last tensor that uses it is gone.
package final class Storage: @unchecked Sendable {
    package let device: Device
    private let buffer: AlignedBuffer

    package init(_ device: Device, count: Int) {
        self.device = device
        buffer = device.takeBuffer(count)
    }

    deinit { device.giveBack(buffer) }

    package var pointer: UnsafeMutablePointer<Float> { buffer.pointer }
}

/// A dense float32 array with a shape, last axis fastest, written once by the op that makes it.
///
/// Axes in comments: B batch, T frame patches, H and W patch rows and columns, S = H·W, C width,
/// Q queries, d latent channels. Channels are always the last axis.
public struct Tensor: Sendable {
    /// Sizes of the axes, slowest first.
    public let shape: [Int]
    package let storage: Storage
    /// Where a tape knows this tensor; nil where nothing is recorded.
    package let node: Tape.Node?

    /// An uninitialised tensor.
    package init(_ shape: [Int], on device: Device) {
        self.shape = shape
        storage = Storage(device, count: shape.reduce(1, *))
        node = nil
    }

    private init(_ shape: [Int], _ storage: Storage, _ node: Tape.Node?) {
        (self.shape, self.storage, self.node) = (shape, storage, node)
    }

    /// The same elements under a tape's mark.
    func marked(_ node: Tape.Node) -> Tensor { Tensor(shape, storage, node) }

    /// The same elements, unknown to any tape.
    package var unmarked: Tensor { node == nil ? self : Tensor(shape, storage, nil) }

    /// A tensor with these values in row-major order.
    ///
    /// - Precondition: as many values as the shape has elements.
    public init(_ shape: [Int], _ values: [Float], on device: Device) {
        precondition(shape.reduce(1, *) == values.count, "\(values.count) values for \(shape)")
        self.init(shape, on: device)
        withPointer { $0.update(from: values, count: values.count) }
    }

    package var device: Device { storage.device }

    /// The first element. A pointer keeps nothing alive: ops take it inside the closure that uses
    /// it, so that the closure holds the tensor; other code uses `withPointer`.
    package var pointer: UnsafeMutablePointer<Float> { storage.pointer }

    /// Calls `body` with the first element and keeps the tensor until it returns.
    package func withPointer<Result>(
        _ body: (UnsafeMutablePointer<Float>) throws -> Result
    ) rethrows -> Result {
        try withExtendedLifetime(storage) { try body(storage.pointer) }
    }

    /// Number of elements.
    public var count: Int { shape.reduce(1, *) }

    /// The elements in row-major order.
    public var values: [Float] {
        withPointer { Array(UnsafeBufferPointer(start: $0, count: count)) }
    }

    /// The sum of the squares, in double.
    package var squaredNorm: Double {
        withPointer { x in
            var total = 0.0
            for i in 0..<count { total += Double(x[i]) * Double(x[i]) }
            return total
        }
    }

    /// The size of an axis; negative counts from the last.
    public func dim(_ axis: Int) -> Int { shape[axis < 0 ? shape.count + axis : axis] }

    /// Rows of the last axis.
    package var rows: Int { shape.dropLast().reduce(1, *) }

    package var shape3: (Int, Int, Int) {
        precondition(shape.count == 3, "\(shape) has not 3 axes")
        return (shape[0], shape[1], shape[2])
    }

    package var shape4: (Int, Int, Int, Int) {
        precondition(shape.count == 4, "\(shape) has not 4 axes")
        return (shape[0], shape[1], shape[2], shape[3])
    }

    package var shape5: (Int, Int, Int, Int, Int) {
        precondition(shape.count == 5, "\(shape) has not 5 axes")
        return (shape[0], shape[1], shape[2], shape[3], shape[4])
    }

    /// The same elements under another shape.
    package func reshaped(_ shape: [Int]) -> Tensor {
        precondition(shape.reduce(1, *) == count, "\(self.shape) cannot become \(shape)")
        return Tensor(shape, storage, node)
    }
}
