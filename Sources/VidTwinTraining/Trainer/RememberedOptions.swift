import Glibc
import TensorFiles
package import VidTwin

/// What the command line said of a run beside its configuration and changes what comes out: remembered
/// by its checkpoints, so that `--resume` alone goes on with the same run. Nil is what was not said.
package struct RememberedOptions: Equatable, Sendable {
    /// Batches of the whole run.
    package var steps: Int?
    package var precision: Precision?
    /// Files with the weights of LPIPS; a checkpoint holds relative ones from its run's folder, so that the
    /// same run has the same bytes wherever it is, and finds what was moved with it.
    package var lpips: [String]?
    /// Part of the videos that may be unreadable.
    package var maximumBad: Double?
    package var minimumFrames: Int?
    package var augmentations: Augmentations?
    package var writesLossWeights: Bool?

    package init() {}

    /// Takes what an earlier part of the run was told and this one was not.
    ///
    /// - Returns: a sentence on each option that is taken or is another now.
    mutating func take(_ earlier: RememberedOptions) -> [String] {
        var notes: [String] = []
        func join<Value: Equatable>(
            _ name: String, _ mine: inout Value?, _ theirs: Value?,
            isSame: (Value, Value) -> Bool = { $0 == $1 }, _ words: (Value) -> String
        ) {
            guard let theirs else { return }
            if let mine, !isSame(mine, theirs) {
                notes.append(
                    "\(name): \(words(theirs)) when the run was started, now \(words(mine))")
            } else if mine == nil {
                notes.append("\(name) \(words(theirs)), as when the run was started")
                mine = theirs
            }
        }
        join("--steps", &steps, earlier.steps) { "\($0)" }
        join("--precision", &precision, earlier.precision) { $0.rawValue }
        join(
            "--lpips", &lpips, earlier.lpips,
            isSame: { $0.map(RememberedOptions.resolved) == $1.map(RememberedOptions.resolved) }
        ) { $0.joined(separator: ", ") }
        join("--max-bad", &maximumBad, earlier.maximumBad) { "\($0)" }
        join("--min-frames", &minimumFrames, earlier.minimumFrames) { "\($0)" }
        join("--augment", &augmentations, earlier.augmentations) { "\($0)" }
        join("--no-loss-weights", &writesLossWeights, earlier.writesLossWeights) {
            $0 ? "off" : "on"
        }
        return notes
    }
}

extension RememberedOptions {
    /// With the paths that a checkpoint of this run's folder holds, as they lead from here.
    func located(below run: String) -> RememberedOptions {
        with(lpips?.map { $0.hasPrefix("/") ? $0 : "\(run)/\($0)" })
    }

    /// With the paths that a checkpoint of this run's folder is to hold.
    func below(_ run: String) -> RememberedOptions {
        with(
            lpips?.map { path in
                if path.hasPrefix("\(run)/") { return String(path.dropFirst(run.count + 1)) }
                return path.hasPrefix("/") ? path : RememberedOptions.path(path, from: run)
            })
    }

    private func with(_ lpips: [String]?) -> RememberedOptions {
        var options = self
        options.lpips = lpips
        return options
    }

    /// A path without links; one that is not there stays what it is.
    private static func resolved(_ path: String) -> String {
        guard let resolved = path.withPathBytes({ realpath($0, nil) }) else { return path }
        defer { free(resolved) }
        return String(path: resolved)
    }

    /// The way from a folder to a file.
    private static func path(_ file: String, from folder: String) -> String {
        let (a, b) = (resolved(folder).split(separator: "/"), resolved(file).split(separator: "/"))
        let shared = zip(a, b).prefix { $0 == $1 }.count
        let up = [Substring](repeating: "..", count: a.count - shared)
        return (up + b.dropFirst(shared)).joined(separator: "/")
    }

    /// As a checkpoint holds it.
    var value: TorchValue {
        var pairs: [(String, TorchValue)] = []
        func add<Value>(_ name: String, _ value: Value?, _ form: (Value) -> TorchValue) {
            if let value { pairs.append((name, form(value))) }
        }
        add("steps", steps) { .integer($0) }
        add("precision", precision) { .text($0.rawValue) }
        add("lpips", lpips) { .list($0.map { .text($0) }) }
        add("max_bad", maximumBad) { .float($0) }
        add("min_frames", minimumFrames) { .integer($0) }
        add("augment", augmentations) { .text("\($0)") }
        add("loss_weights", writesLossWeights) { .bool($0) }
        return .named(pairs)
    }

    /// From a checkpoint.
    init(_ node: TorchFile.Node) {
        steps = node["steps"]?.integer
        precision = node["precision"]?.text.flatMap { Precision(rawValue: $0) }
        lpips = node["lpips"]?.items?.compactMap(\.text)
        maximumBad = node["max_bad"]?.number
        minimumFrames = node["min_frames"]?.integer
        augmentations = node["augment"]?.text.flatMap { Augmentations($0) }
        writesLossWeights = node["loss_weights"]?.bool
    }
}
