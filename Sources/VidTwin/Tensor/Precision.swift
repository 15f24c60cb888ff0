package import VidTwinKernels

/// How a model's weights are held and its products computed. Norms, softmax, the last layer and
/// sums are float32 (sums of int8 exact), and so are the features between the branches of a block.
public enum Precision: String, CaseIterable, Sendable {
    /// Everything in float32.
    case float32 = "f32"
    /// Weights, and activations where they are multiplied, in bfloat16.
    case bfloat16 = "bf16"
    /// The blocks' weights (96 % of the work) in 8 bits by output channel, their activations in 8
    /// bits by token (7 on CPUs that cannot sum products of bytes in 32 bits); the rest as `automatic`.
    case int8

    /// What suits this CPU: bfloat16 where it has instructions for it, else float32.
    public static var automatic: Precision {
        ProductSupport.hasBFloat16 ? .bfloat16 : .float32
    }

    /// What a CPU does with it, for words: its instructions, or what takes their place.
    public var means: String {
        switch self {
        case .float32: "float32"
        case .bfloat16:
            ProductSupport.hasBFloat16
                ? "bfloat16 by the CPU's instructions"
                : "bfloat16 by way of float32, as this CPU has no instructions for it"
        case .int8:
            ProductSupport.hasVNNI
                ? "int8 by the CPU's instructions"
                : "int8 with 7-bit activations, as this CPU has no instructions for 8-bit sums"
        }
    }

    /// The form of a weight that serves as a matrix and may be held in `narrowest`, or a wider form.
    package func format(narrowest: WeightFormat) -> WeightFormat {
        switch (self, narrowest) {
        case (.float32, _), (_, .float32): .float32
        case (.bfloat16, _): .bfloat16
        case (.int8, .int8): .int8
        case (.int8, .bfloat16): Precision.automatic == .bfloat16 ? .bfloat16 : .float32
        }
    }
}
