import TensorFiles

/// A checkpoint's weights by the names that the model gives them.
///
/// Training wraps models in others, which put `module.`, `_orig_mod.` or `model.` before the names
/// or among them; such names are read without. Averaged weights stand beside the others, as
/// `model_ema.NAME`, with the dots of the name or, as in the sister model, without.
struct ModelWeights: WeightSource {
    let shapes: [String: [Int]]
    /// What is to be said, one sentence each.
    let notes: [String]
    /// Whether the weights are the averaged ones.
    let isAveraged: Bool
    private let checkpoint: Checkpoint
    /// The checkpoint's names by the model's.
    private let names: [String: String]

    var path: String { checkpoint.path }

    private static let averagedPrefix = "model_ema."

    /// Finds the names of a plan's parameters in a checkpoint.
    ///
    /// - Throws: `CheckpointError.malformed` where averaged weights are asked for and there are none.
    init(_ checkpoint: Checkpoint, for plan: WeightPlan, averaged: Bool = false) throws {
        self.checkpoint = checkpoint
        isAveraged = averaged
        let wanted = Set(plan.parameters.map(\.name))
        let found = checkpoint.shapes
        var (names, notes): ([String: String], [String]) = ([:], [])
        var averages: [String: String] = [:]
        var wrappers: [String: Int] = [:]
        // In order, so that of two names for one weight it is always the same that is left over.
        for name in found.keys.sorted(by: { ($0.utf8.count, $0) < ($1.utf8.count, $1) }) {
            let bare = wanted.contains(name) ? name : ModelWeights.unwrapped(name)
            if bare.hasPrefix(ModelWeights.averagedPrefix) {
                averages[String(bare.dropFirst(ModelWeights.averagedPrefix.count))] = name
            } else if bare != name, names[bare] == nil,
                wanted.contains(bare) || VidTwinModel.isUnused(bare)
            {
                names[bare] = name
                wrappers[ModelWeights.wrapper(name, bare), default: 0] += 1
            } else {
                names[name] = name
            }
        }
        if let (wrapper, count) = wrappers.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }) {
            notes.append("\(count) names are read without \(wrapper)")
        }
        if averaged {
            notes.append("the averaged weights (\(ModelWeights.averagedPrefix)*) are taken")
            try ModelWeights.replace(&names, by: averages, wanted, checkpoint)
        } else if !averages.isEmpty {
            notes.append(
                "there are averaged weights too, \(ModelWeights.averagedPrefix)*, which are not taken"
            )
        }
        (self.names, self.notes) = (names, notes)
        shapes = names.compactMapValues { found[$0] }
    }

    /// A name without what wrappers put into it.
    private static func unwrapped(_ name: String) -> String {
        var parts = name.split(separator: ".", omittingEmptySubsequences: false)
        parts.removeAll { $0 == "module" || $0 == "_orig_mod" }
        while parts.first == "model" {
            parts.removeFirst()
            parts.removeAll { $0 == "module" || $0 == "_orig_mod" }
        }
        return parts.joined(separator: ".")
    }

    /// What stands before a name, or among its parts.
    private static func wrapper(_ name: String, _ bare: String) -> String {
        name.hasSuffix(bare)
            ? String(name.dropLast(bare.count)) : "module. and _orig_mod. among their parts"
    }

    /// Puts the averaged weights in the place of the others. Position tables, which are not learned,
    /// stay where there is no average of them.
    private static func replace(
        _ names: inout [String: String], by averages: [String: String], _ wanted: Set<String>,
        _ checkpoint: Checkpoint
    ) throws {
        func joined(_ name: String) -> String { name.filter { $0 != "." } }
        let same = Dictionary(wanted.map { (joined($0), 1) }, uniquingKeysWith: +)
        var taken = 0
        for name in wanted {
            let short = joined(name)
            let average = averages[name] ?? (same[short] == 1 ? averages[short] : nil)
            if average != nil { taken += 1 }
            if average != nil || !name.contains("pos_embed") { names[name] = average }
        }
        guard taken > 0 else {
            throw CheckpointError.malformed(
                path: checkpoint.path, place: "names",
                expected: "averaged weights, \(averagedPrefix)*",
                found: "none of this model's")
        }
    }

    func withStored(_ name: String, _ body: (StoredWeights) throws -> Void) throws -> Bool {
        try checkpoint.withStored(names[name] ?? name, body)
    }

    func read(_ name: String, into destination: UnsafeMutableBufferPointer<Float>) throws {
        try checkpoint.read(names[name] ?? name, into: destination)
    }
}
