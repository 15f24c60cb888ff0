/// The form in which the weights of a product are held, and its activations are multiplied.
package enum WeightFormat: String, Sendable, CaseIterable {
    case float32, bfloat16
    /// Weights symmetric by output, activations by row with a zero of their own; sums are exact.
    case int8
}

/// What the products' library can do on this CPU (`ONEDNN_MAX_CPU_ISA`, `OPENBLAS_CORETYPE` cap that).
package enum ProductSupport {
    /// Products of bfloat16, if need be by way of float32; elsewhere weights are widened.
    package static let multipliesBFloat16 = Products.library.multipliesBFloat16

    /// There are instructions for bfloat16: twice the rate of float32.
    package static let hasBFloat16 = Products.library.hasBFloat16 && multipliesBFloat16

    /// There are instructions that sum four products of bytes in 32 bits.
    package static let hasVNNI = Products.library.hasVNNI

    /// The largest value of a quantised activation. Without those instructions oneDNN sums pairs in 16
    /// bits, which hold two products of 127 by 127, not of 255 by 127.
    package static let activationLevels = Products.library.activationLevels

    /// The library that is loaded, and its version: "oneDNN 2.6.3".
    package static var title: String { Products.library.title }

    /// The level's name, as the library's own variable has it.
    package static var name: String { Products.library.level }
}
