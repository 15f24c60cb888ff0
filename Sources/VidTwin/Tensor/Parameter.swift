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

    /// The plain values.
    ///
    /// - Precondition: the form is `.float32`.
    package var pointer: UnsafePointer<Float> {
        guard case .float32(let buffer) = form else {
            preconditionFailure("\(name) is \(form), its plain values are asked for")
        }
        return UnsafePointer(buffer.pointer)
    }

    /// One row of a `[rows, width]` table.
    package func row(_ index: Int) -> UnsafePointer<Float> {
        precondition(shape.count == 2 && index < shape[0], "\(name) \(shape) has no row \(index)")
        return pointer + index * shape[1]
    }
}
