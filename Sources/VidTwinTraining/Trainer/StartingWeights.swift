package import TensorFiles
import VidTwin

/// Where each weight of a run comes from: a checkpoint, or made anew.
package struct StartingWeights: WeightSource {
    package let path: String
    package let shapes: [String: [Int]]
    /// What was decided, one sentence each.
    package private(set) var notes: [String] = []

    private let initial: any WeightSource
    private let checkpoint: Checkpoint?
    private let taken: Set<String>

    /// All weights anew.
    package init(_ initial: InitialWeights) {
        (path, shapes) = (initial.path, initial.shapes)
        (self.initial, checkpoint, taken) = (initial, nil, [])
        notes = ["all weights are made anew (\(initial.path))"]
    }

    /// All weights as they were constructed.
    init(constructed: any WeightSource) {
        (path, shapes) = (constructed.path, constructed.shapes)
        (initial, checkpoint, taken) = (constructed, nil, [])
    }

    /// A checkpoint's weights but for names that `ignored` matches, which are made anew; strict, or with
    /// what fits where `isPartial`. The discriminator and `loss.logvar` are taken where they are there.
    ///
    /// - Throws: `ModelError.weights` with all names that do not fit.
    package init(
        _ initial: InitialWeights, from checkpoint: Checkpoint, ignoring ignored: NamePatterns,
        isPartial: Bool
    ) throws {
        (path, shapes) = (checkpoint.path, initial.shapes)
        (self.initial, self.checkpoint) = (initial, checkpoint)
        let found = checkpoint.shapes
        let isIgnored: (String) -> Bool = { ignored.match($0) != nil }
        var (taken, missing, misshapen): (Set<String>, [String], [ModelError.Misshapen]) = (
            [], [], []
        )
        for (name, shape) in initial.shapes.sorted(by: { $0.key < $1.key })
        where !isIgnored(name) {
            guard let other = found[name] else {
                // Those of the loss are optional; what no model uses may be left out.
                if !name.hasPrefix("loss."), !StartingWeights.isUnused(name) {
                    missing.append(name)
                }
                continue
            }
            if other == shape {
                taken.insert(name)
            } else {
                misshapen.append(.init(name: name, expected: shape, found: other))
            }
        }
        let unexpected = found.keys.filter {
            initial.shapes[$0] == nil && !$0.hasPrefix("loss.") && !isIgnored($0)
        }.sorted()
        // A discriminator of another form is none.
        let discriminator = initial.shapes.keys.filter { $0.hasPrefix(StartingWeights.critic) }
        let isWhole = discriminator.allSatisfy { taken.contains($0) }
        if !isWhole {
            taken = taken.filter { !$0.hasPrefix(StartingWeights.critic) }
            misshapen = misshapen.filter { !$0.name.hasPrefix(StartingWeights.critic) }
        }
        if !missing.isEmpty || !unexpected.isEmpty || !misshapen.isEmpty {
            let error = ModelError.weights(
                path: checkpoint.path, missing: missing, unexpected: unexpected,
                misshapen: misshapen)
            if !isPartial { throw error }
            notes.append("--allow-partial: \(error.list)")
        }
        self.taken = taken
        let skipped = found.keys.filter(isIgnored).sorted()
        if !skipped.isEmpty {
            notes.append(
                "ignore_keys: \(skipped.count) weights are left at their initial values: "
                    + skipped.prefix(8).joined(separator: ", ")
                    + (skipped.count > 8 ? ", …" : ""))
        }
        notes.append(
            "\(taken.count { !$0.hasPrefix("loss.") }) weights from \(checkpoint.path); the "
                + "discriminator is \(isWhole ? "from there" : "new"), logvar is "
                + "\(taken.contains("loss.logvar") ? "from there" : "new"); optimizers start fresh")
    }

    private static let critic = "loss.discriminator."

    /// Names that the reference's files hold and no model uses.
    private static func isUnused(_ name: String) -> Bool {
        name.hasPrefix("encoder.final_layer.") || name.hasPrefix("decoder.x_embedder.")
    }

    package func read(_ name: String, into destination: UnsafeMutableBufferPointer<Float>) throws {
        if let checkpoint, taken.contains(name) {
            try checkpoint.read(name, into: destination)
        } else {
            try initial.read(name, into: destination)
        }
    }
}
