package import VidTwin

extension Objective {
    /// Every weight of a training checkpoint with its shape: the model's with its tables, the
    /// discriminator's with what its norms keep, and `loss.logvar`.
    package static func shapes(
        _ configuration: Configuration, _ loss: LossConfiguration
    ) -> [String: [Int]] {
        let plan = WeightPlan()
        _ = unusedParameters(Weights(plan), configuration)
        let discriminator = Discriminator(
            Weights(plan) / "loss" / "discriminator" / "main", loss,
            name: "loss.discriminator.main")
        var shapes = ["loss.logvar": [Int]()]
        for parameter in VidTwinModel.plan(configuration).parameters + plan.parameters {
            shapes[parameter.name] = parameter.shape
        }
        for buffer in discriminator.buffers { shapes[buffer.name] = buffer.shape }
        return shapes
    }

    /// The fixed tables of the model in float64: the formula's where that is what the model has.
    package var tables: [(name: String, shape: [Int], values: [Double])] {
        model.parameters.filter { $0.name.contains("pos_embed") }.map { parameter in
            let part =
                parameter.name.hasPrefix("encoder")
                ? model.configuration.encoder : model.configuration.decoder
            let formula =
                parameter.name.hasSuffix("temporal")
                ? PositionTable.time(part.width, frames: part.grid.time)
                : PositionTable.space(
                    part.width, rows: part.grid.rows, columns: part.grid.columns)
            let own = Array(
                UnsafeBufferPointer(start: parameter.pointer, count: parameter.count))
            let isFormula =
                own.count == formula.count
                && zip(own, formula).allSatisfy { abs(Double($0) - $1) < 1e-6 }
            return (parameter.name, parameter.shape, isFormula ? formula : own.map(Double.init))
        }
    }
}
