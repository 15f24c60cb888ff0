import TensorFiles

/// Element type of stored latents.
public enum LatentType: String, Sendable, Codable, CaseIterable {
    /// Half precision.
    case f16
    /// Single precision.
    case f32

    var element: ElementType { self == .f16 ? .float16 : .float32 }
}
