package import VidTwin

/// Files, presets, short forms and `KEY.PATH=VALUE`, laid over each other.
package struct SettingsSource {
    /// A recipe that was published.
    package enum Preset: String, CaseIterable, Sendable {
        /// The published configuration file.
        case repo
        /// The paper's text.
        case paper
    }

    package private(set) var tree = ConfigurationTree.mapping([])
    /// The files, for messages.
    package private(set) var place = ""
    /// What a preset changed.
    package private(set) var notes: [String] = []

    /// The files, the later over the earlier.
    ///
    /// - Throws: `ModelError.configuration`.
    package init(files: [String]) throws {
        for path in files {
            let file = try ConfigurationTree(path: path)
            guard case .mapping = file else {
                throw ModelError.configuration(
                    path: path, key: "line 1", expected: "the keys model, data and lightning",
                    found: file.words)
            }
            tree = tree.merged(file)
        }
        place = files.joined(separator: " + ")
    }

    /// Sets a key whatever the files say.
    package mutating func set(_ key: String, _ value: ConfigurationTree) {
        tree.set(key.split(separator: ".").map(String.init), value)
    }

    /// Sets a key to a text.
    package mutating func set(_ key: String, text: String) {
        set(key, .scalar(text, quoted: true))
    }

    /// `KEY.PATH=VALUE`, the value as in YAML.
    ///
    /// - Throws: `ModelError.configuration` where there is no such key, with the nearest.
    package mutating func apply(_ assignment: String) throws {
        guard let equals = assignment.firstIndex(of: "="), equals != assignment.startIndex else {
            throw ModelError.configuration(
                path: place, key: assignment, expected: "KEY.PATH=VALUE", found: assignment)
        }
        let key = String(assignment[..<equals])
        let path = key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let own = tree.paths.map { $0.joined(separator: ".") }
        let isThere = tree[path] != nil
        guard isThere || !path.contains("") && ConfigurationKeys.isKnown(key) else {
            let nearest = ConfigurationKeys.nearest(to: key, among: own)
            throw ModelError.configuration(
                path: place, key: key,
                expected: "a key of the configuration" + (nearest.map { ", such as \($0)" } ?? ""),
                found: "none of that name")
        }
        let text = String(assignment[assignment.index(after: equals)...])
        tree.set(path, try ConfigurationTree(text: Array(text.utf8), path: "\(key)=\(text)"))
    }

    /// Puts a preset over the files and says what it changes.
    package mutating func apply(_ preset: Preset) {
        let model = "model.params"
        let cosine = "vidtok.models.vidtwin_ae.LambdaWarmUpCosineScheduler"
        func schedule(_ which: String, _ start: String, _ top: String) -> [(String, String)] {
            [
                ("\(model).lr_scheduler_config_\(which).target", cosine),
                ("\(model).lr_scheduler_config_\(which).params.lr_start", start),
                ("\(model).lr_scheduler_config_\(which).params.lr_max", top),
                ("\(model).lr_scheduler_config_\(which).params.lr_min", "0"),
                ("\(model).lr_scheduler_config_\(which).params.warmup_steps", "5000"),
            ]
        }
        let isPaper = preset == .paper
        let values =
            [
                (
                    "\(model).optimizer_config.target",
                    isPaper ? "torch.optim.Adam" : "torch.optim.AdamW"
                ),
                ("\(model).optimizer_config.params.weight_decay", "0.0001"),
                ("data.params.batch_size", isPaper ? "6" : "2"),
            ] + schedule("g", "0", isPaper ? "1.6e-4" : "3.0e-05")
            + schedule("d", isPaper ? "0" : "1.0e-05", isPaper ? "1.6e-4" : "1.5e-05")
        for (key, text) in values { change(key, .scalar(text, quoted: false), preset) }
        for which in ["g", "d"] {  // which would count in place of the steps
            let rate = "\(model).lr_scheduler_config_\(which).params.warmup_rate"
            if tree[rate.split(separator: ".").map(String.init)] != nil {
                change(rate, .scalar("null", quoted: false), preset)
            }
        }
        let betas = (isPaper ? ["0.9", "0.99"] : ["0", "0.9"]).map {
            ConfigurationTree.scalar($0, quoted: false)
        }
        change("\(model).optimizer_config.params.betas", .list(betas), preset)
    }

    private mutating func change(_ key: String, _ value: ConfigurationTree, _ preset: Preset) {
        let path = key.split(separator: ".").map(String.init)
        let old = tree[path]
        // Classes are told by their last word.
        let word: (String) -> String? = { $0.split(separator: ".").last.map(String.init) }
        if key.hasSuffix(".target"), let old, word(old.words) == word(value.words) { return }
        let same =
            old?.words == value.words
            || Double(old?.words ?? "").map { $0 == Double(value.words) } ?? false
        if !same {
            notes.append(
                "preset \(preset.rawValue): \(key): \(old?.words ?? "none") becomes \(value.words)")
        }
        tree.set(path, value)
    }
}
