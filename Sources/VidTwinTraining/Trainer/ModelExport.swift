import TensorFiles
import VidTwin

extension RunCheckpoint {
    /// Writes the model's weights alone, the averaged ones where there are any, as a .safetensors
    /// file that carries its configuration: the form that `--model` and `convert` read.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package func writeModel(to path: String, _ state: RunState) throws {
        let parameters = computation.generatorParameters.enumerated().filter {
            !$0.element.name.hasPrefix("loss.")
        }
        let entries =
            tables.map {
                SafeTensorsWriter.Entry(name: $0.name, type: .float64, shape: $0.shape)
            }
            + parameters.map {
                SafeTensorsWriter.Entry(
                    name: $0.element.name, type: .float32, shape: $0.element.shape)
            }
        let metadata = [
            "format": "pt", Conversion.configurationKey: state.configuration,
            "vidtwin.batch": "\(state.batch)",
            "vidtwin.weights": average == nil ? "trained" : "averaged (ema)",
        ]
        try NewFile.write(path) { output in
            let writer = try SafeTensorsWriter(output, entries, metadata: metadata)
            for table in tables { try table.values.withUnsafeBytes { try writer.append($0) } }
            for (index, parameter) in parameters {
                let values = average?.values[index].pointer
                try writer.append(
                    UnsafeRawBufferPointer(
                        start: values.map { UnsafePointer($0) } ?? parameter.pointer,
                        count: 4 * parameter.count))
            }
        }
    }
}
