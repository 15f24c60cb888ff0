package import VidTwinKernels

/// A named weight of a model, in one form at a time.
///
/// A parameter is made empty while the model is built and filled once, before the model is used.
package final class Parameter: @unchecked Sendable {
    /// How the values are held.
    package enum Form {
        /// Named and shaped, not yet read.
        case empty
        /// Plain values in row-major order.
        case float32(AlignedBuffer)
        /// A matrix in the layout of the product library and in one of its formats; its values cannot
        /// be read back.
        case packed(PackedMatrix)
        /// Values that an optimizer changes, with their gradient.
        case trainable(TrainableValues)
    }

    /// The checkpoint's name.
    package let name: String
    /// The checkpoint's shape.
    package let shape: [Int]
    package private(set) var form: Form = .empty

    package init(_ name: String, _ shape: [Int]) {
        self.name = name
        self.shape = shape
    }

    package var count: Int { shape.reduce(1, *) }

    package func fill(_ form: Form) {
        guard case .empty = self.form else { preconditionFailure("\(name) is filled already") }
        self.form = form
    }

    /// The matrix of products.
    ///
    /// - Precondition: the form is `.packed`.
    package var matrix: PackedMatrix {
        guard case .packed(let matrix) = form else {
            preconditionFailure("\(name) is \(form), not packed")
        }
        return matrix
    }

    /// The values that an optimizer changes, or nil where the parameter is frozen.
    package var trainable: TrainableValues? {
        if case .trainable(let values) = form { values } else { nil }
    }

    /// The plain values.
    ///
    /// - Precondition: the form is `.float32`.
    package var pointer: UnsafePointer<Float> {
        switch form {
        case .float32(let buffer): return UnsafePointer(buffer.pointer)
        case .trainable(let values): return UnsafePointer(values.value.pointer)
        default: preconditionFailure("\(name) is \(form), its plain values are asked for")
        }
    }

    /// One row of a `[rows, width]` table.
    package func row(_ index: Int) -> UnsafePointer<Float> {
        precondition(shape.count == 2 && index < shape[0], "\(name) \(shape) has no row \(index)")
        return pointer + index * shape[1]
    }
}

/// Values that an optimizer changes, and their gradient.
///
/// One thread at a time.
package final class TrainableValues: @unchecked Sendable {
    /// The values, in the checkpoint's shape, row-major, float32.
    package let value: AlignedBuffer
    /// What was added up since `zeroGradient`, in the same order.
    package let gradient: AlignedBuffer
    /// Whether anything was added to the gradient since it was zeroed.
    package var hasGradient = false
    /// Number of values.
    package let count: Int

    /// Values in the parameter's shape, with a gradient of zeros.
    ///
    /// - Throws: `ModelError.memory`.
    package init(_ parameter: Parameter, value: AlignedBuffer) throws {
        guard let gradient = AlignedBuffer(count: parameter.count) else {
            throw ModelError.memory(
                what: "the gradient of \(parameter.name)", bytes: 4 * parameter.count)
        }
        (self.value, self.gradient, count) = (value, gradient, parameter.count)
        zeroGradient()
    }

    /// Sets the gradient to zero.
    package func zeroGradient() {
        gradient.pointer.update(repeating: 0, count: count)
        hasGradient = false
    }

    /// Says that the values were changed.
    package func valuesChanged() {}
}
