import FoundationEssentials
import VidTwin
import VidTwinKernels
import VidTwinTestSupport

/// Golden data of training that is no tensor.
enum TrainingGoldens {
    static let folder = "\(Fixtures.folder)/goldens/training"

    static func rows<Row: Decodable>(_ name: String, as: [Row].Type) throws -> [Row] {
        try JSONDecoder().decode([Row].self, from: Data(Fixtures.bytes("\(folder)/\(name).json")))
    }
}

/// A trainable parameter of these values, with a gradient.
func trainable(
    _ name: String, _ shape: [Int], _ values: [Float], gradient: [Float]? = nil
) throws -> Parameter {
    let parameter = Parameter(name, shape)
    guard let buffer = AlignedBuffer(count: values.count) else { fatalError("no memory") }
    buffer.pointer.update(from: values, count: values.count)
    parameter.fill(.trainable(try TrainableValues(parameter, value: buffer)))
    if let gradient { setGradient(parameter, gradient) }
    return parameter
}

/// Replaces a parameter's gradient.
func setGradient(_ parameter: Parameter, _ gradient: [Float]) {
    guard let values = parameter.trainable else { fatalError("\(parameter.name) is frozen") }
    values.gradient.pointer.update(from: gradient, count: gradient.count)
    values.hasGradient = true
}

/// The values of a parameter.
func values(_ parameter: Parameter) -> [Float] {
    Array(UnsafeBufferPointer(start: parameter.pointer, count: parameter.count))
}
